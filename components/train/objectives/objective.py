"""What a step minimises: the error of a prediction made from noisy latents.

Noise, timestep and caption dropout of a sample depend on (seed, step, its place in the global batch) alone, so that the
loss does not depend on how many ranks share the batch. A batch's timesteps are spread evenly over their distribution,
which makes its loss less noisy (arXiv 2107.00630, appendix I.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from platen.components.train.objectives.diffusion import Diffusion
from platen.components.train.objectives.flow import Flow
from platen.components.train.objectives.kinds import chosen_kind
from platen.components.train.objectives.settings import LogitNormal, ObjectiveSettings


@dataclass(frozen=True)
class Noised:
    """Inputs and targets of one micro-batch: noisy latents, timesteps (n,), target, loss weight (n,), dropped (n,)."""

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor
    dropped: Tensor


class Process(Protocol):
    """How latents become noise, and what is to be predicted on the way."""

    scheduler: dict[str, Any]
    """The configuration of the diffusers scheduler that samples from what was trained."""

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone)."""
        ...


class Objective:
    """The samples of a process that a step draws, and their loss.

    Args:
        settings: How samples are drawn; caption dropout is for classifier-free guidance (arXiv 2207.12598).
        process: The forward process.
        global_batch: Samples a step, over which timesteps are spread.
    """

    def __init__(self, settings: ObjectiveSettings, process: Process, seed: int, global_batch: int) -> None:
        self.settings = settings
        self.process = process
        self.seed = seed
        self.global_batch = global_batch

    def noise(self, latents: Tensor, step: int, places: range) -> Noised:
        """Noise latents (n, c, h, w); `places` are the samples' places in the global batch of this step."""
        drawn = [self._draw(latents.shape[1:], step, place) for place in places]
        noise = torch.stack([noise for noise, _ in drawn]).to(latents)
        dropped = torch.tensor([dropped for _, dropped in drawn], device=latents.device)
        noisy, timesteps, target, weight = self.process.at(latents, noise, self._positions(step, places))
        return Noised(noisy, timesteps, target, weight, dropped)

    def _draw(self, shape: torch.Size, step: int, place: int) -> tuple[Tensor, bool]:
        """A sample's noise, and whether its caption is dropped.

        Offset noise is the same over a channel's pixels, so that a model learns to change their mean.
        """
        generator = torch.Generator().manual_seed(mix(self.seed, step, place))
        noise = torch.randn(shape, generator=generator)
        dropped = bool(torch.rand(1, generator=generator) < self.settings.drop_caption)
        if self.settings.offset_noise:
            noise += self.settings.offset_noise * torch.randn((shape[0], 1, 1), generator=generator)
        return noise, dropped

    def _positions(self, step: int, places: range) -> Tensor:
        """Where each place lies on the way to noise, (n,), float64 on the CPU.

        Each place has its share of the distribution; all of a step are shifted within theirs by the same random amount.
        """
        shift = torch.rand(1, generator=torch.Generator().manual_seed(mix(self.seed, step)))
        shares = (torch.tensor(places, dtype=torch.float64) + float(shift)) / self.global_batch
        return shares if self.settings.logit_normal is None else logit_normal(shares, self.settings.logit_normal)

    def loss(self, prediction: Tensor, noised: Noised) -> Tensor:
        """Weighted mean squared error, a scalar."""
        error = (prediction.float() - noised.target.float()).square().mean(dim=(1, 2, 3))
        return (error * noised.weight).mean()


def build_objective(settings: ObjectiveSettings, config: dict[str, Any], seed: int, global_batch: int) -> Objective:
    """The objective that settings and the base's scheduler stand for. Raises like `chosen_kind`."""
    kind = chosen_kind(settings, config)
    process = Flow(config, settings.shift) if kind == "flow" else Diffusion(config, kind, settings.min_snr_gamma)
    return Objective(settings, process, seed, global_batch)


def logit_normal(shares: Tensor, settings: LogitNormal) -> Tensor:
    """The quantiles of a logit-normal distribution at some shares of it, 0 to 1 (arXiv 2403.03206, section 3.1)."""
    return torch.sigmoid(settings.mean + settings.std * torch.special.ndtri(shares))


def mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers: near inputs give unrelated seeds (SplitMix64's finaliser)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
