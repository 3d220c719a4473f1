"""Diffusion: noise is added to latents, and the model predicts it, the velocity, or the flow.

`settings` and `prediction_type` import nothing heavy; the other modules import torch.
"""
