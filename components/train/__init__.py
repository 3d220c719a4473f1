"""Training: DeepSpeed ZeRO-3 through torchrun, on one machine or as a PyTorchJob."""
