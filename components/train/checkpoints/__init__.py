"""What a training goes on from."""
