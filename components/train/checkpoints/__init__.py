"""What a training goes on from: saved beside it, and read by any number of ranks, at any ZeRO stage."""
