"""Diffusion in discrete timesteps: the model predicts the noise (epsilon) or the velocity (v, arXiv 2202.00512)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from platen.tasks.diffusion.prediction_type import PREDICTIONS

PREDICTION_TYPES = {ours: theirs for theirs, ours in PREDICTIONS.items()}


class Diffusion:
    """The forward process of a noise schedule.

    Args:
        config: The configuration of the model's scheduler.
        kind: What is predicted: epsilon, v or sample.
        min_snr_gamma: Gamma of the loss weights; None for weights of 1.
    """

    def __init__(self, config: dict[str, Any], kind: str, min_snr_gamma: float | None) -> None:
        self.kind = kind
        self.scheduler = {**config, "prediction_type": PREDICTION_TYPES[kind]}
        # Samplers differ from one model to another; all describe the noise of training as DDPM does.
        self.schedule = DDPMScheduler.from_config(self.scheduler)
        self.weights = timestep_weights(self.schedule.alphas_cumprod, kind, min_snr_gamma)

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone)."""
        steps = len(self.weights)
        timesteps = (positions * steps).long().clamp(max=steps - 1).to(latents.device)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        return noisy, timesteps, self._target(latents, noise, timesteps), self.weights.to(latents)[timesteps]

    def _target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        if self.kind == "v":
            velocity: Tensor = self.schedule.get_velocity(latents, noise, timesteps)
            return velocity
        return noise if self.kind == "epsilon" else latents


def timestep_weights(alphas_cumprod: Tensor, kind: str, gamma: float | None) -> Tensor:
    """Return the min-SNR loss weight of each timestep, (timesteps,).

    For epsilon min(SNR, gamma) / SNR, for v min(SNR, gamma) / (SNR + 1) (arXiv 2303.09556, section 3.4).
    """
    if gamma is None:
        return torch.ones_like(alphas_cumprod)
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return (gamma / snr).clamp(max=1) if kind == "epsilon" else snr.clamp(max=gamma) / (snr + 1)
