"""Where a diffusers folder has the weights that are trained."""

from __future__ import annotations

UNET_WEIGHTS, TEXT_WEIGHTS = "diffusion_pytorch_model.safetensors", "model.safetensors"
