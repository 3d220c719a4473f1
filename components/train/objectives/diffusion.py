"""What a step minimises: noise prediction at random timesteps.

Noise, timestep and caption dropout of a sample depend on (seed, step, its place in the global batch) alone, so that the
loss does not depend on how many ranks share the batch. A batch's timesteps are spread evenly over the schedule, which
makes its loss less noisy (arXiv 2107.00630, appendix I.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from platen.components.train.objectives.settings import ObjectiveSettings
from platen.errors import InputError


@dataclass(frozen=True)
class Noised:
    """Inputs and targets of one micro-batch: noisy latents, timesteps (n,), target, loss weight (n,), dropped (n,)."""

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor
    dropped: Tensor


class Objective:
    """The forward process and the loss that belong to a noise schedule.

    Args:
        settings: Weights and caption dropout (for classifier-free guidance, arXiv 2207.12598).
        schedule: The base model's; its `prediction_type` (epsilon or v_prediction) says what the UNet predicts.
        global_batch: Samples a step, over which timesteps are spread.
    """

    def __init__(self, settings: ObjectiveSettings, schedule: DDPMScheduler, seed: int, global_batch: int) -> None:
        self.schedule = schedule
        self.kind = schedule.config["prediction_type"]
        if self.kind not in ("epsilon", "v_prediction"):
            raise InputError(f"scheduler: prediction_type {self.kind!r}. Accepted: epsilon, v_prediction")
        self.seed = seed
        self.drop_caption = settings.drop_caption
        self.global_batch = global_batch
        self.weights = timestep_weights(schedule.alphas_cumprod, self.kind, settings.min_snr_gamma)

    def noise(self, latents: Tensor, step: int, places: range) -> Noised:
        """Noise latents (n, c, h, w); `places` are the samples' places in the global batch of this step."""
        drawn = [self._draw(latents.shape[1:], step, place) for place in places]
        noise = torch.stack([noise for noise, _, _ in drawn]).to(latents)
        timesteps = torch.tensor([timestep for _, timestep, _ in drawn], device=latents.device)
        dropped = torch.tensor([dropped for _, _, dropped in drawn], device=latents.device)
        noisy = self.schedule.add_noise(latents, noise, timesteps)
        target = noise if self.kind == "epsilon" else self.schedule.get_velocity(latents, noise, timesteps)
        return Noised(noisy, timesteps, target, self.weights.to(latents)[timesteps], dropped)

    def _draw(self, shape: torch.Size, step: int, place: int) -> tuple[Tensor, int, bool]:
        generator = torch.Generator().manual_seed(mix(self.seed, step, place))
        noise = torch.randn(shape, generator=generator)
        dropped = torch.rand(1, generator=generator) < self.drop_caption
        return noise, self._timestep(step, place), bool(dropped)

    def _timestep(self, step: int, place: int) -> int:
        """The place's share of the schedule, all places of a step shifted within theirs by the same random amount."""
        shift = torch.rand(1, generator=torch.Generator().manual_seed(mix(self.seed, step)))
        return int((place + float(shift)) / self.global_batch * len(self.schedule.alphas_cumprod))

    def loss(self, prediction: Tensor, noised: Noised) -> Tensor:
        """Weighted mean squared error, a scalar."""
        error = (prediction.float() - noised.target.float()).square().mean(dim=(1, 2, 3))
        return (error * noised.weight).mean()


def timestep_weights(alphas_cumprod: Tensor, kind: str, gamma: float | None) -> Tensor:
    """Loss weight (timesteps,) of each timestep: min-SNR (arXiv 2303.09556, section 3.4; for v divided by SNR + 1)."""
    if gamma is None:
        return torch.ones_like(alphas_cumprod)
    snr = alphas_cumprod / (1 - alphas_cumprod)
    return (gamma / snr).clamp(max=1) if kind == "epsilon" else snr.clamp(max=gamma) / (snr + 1)


def mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers: near inputs give unrelated seeds (SplitMix64's finaliser)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
