"""One rank: what torchrun starts."""
