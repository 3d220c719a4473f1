"""Diffusion in discrete timesteps: the noise (epsilon) is predicted, or the velocity (v, arXiv 2202.00512)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

PREDICTION_TYPES = {"epsilon": "epsilon", "v": "v_prediction"}  # our names and diffusers'


class Diffusion:
    """The forward process of a noise schedule.

    Args:
        config: The base model's scheduler's.
        kind: What is predicted: epsilon or v.
        min_snr_gamma: Of the weights.
    """

    def __init__(self, config: dict[str, Any], kind: str, min_snr_gamma: float | None) -> None:
        self.kind = kind
        self.scheduler = {**config, "prediction_type": PREDICTION_TYPES[kind]}
        self.schedule = DDPMScheduler.from_config(self.scheduler)
        self.weights = timestep_weights(self.schedule.alphas_cumprod, kind, min_snr_gamma)

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone)."""
        steps = len(self.weights)
        timesteps = (positions * steps).long().clamp(max=steps - 1).to(latents.device)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        target = noise if self.kind == "epsilon" else self.schedule.get_velocity(latents, noise, timesteps)
        return noisy, timesteps, target, self.weights.to(latents)[timesteps]


def timestep_weights(alphas_cumprod: Tensor, kind: str, gamma: float | None) -> Tensor:
    """Loss weight (timesteps,) of each timestep: min-SNR (arXiv 2303.09556, section 3.4; for v divided by SNR + 1)."""
    if gamma is None:
        return torch.ones_like(alphas_cumprod)
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return (gamma / snr).clamp(max=1) if kind == "epsilon" else snr.clamp(max=gamma) / (snr + 1)
