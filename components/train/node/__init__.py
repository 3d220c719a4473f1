"""One machine of a training: its inputs, torchrun, its ranks' ends."""
