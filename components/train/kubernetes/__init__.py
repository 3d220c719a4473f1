"""Training as a PyTorchJob."""
