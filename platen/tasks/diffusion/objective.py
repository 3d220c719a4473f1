"""The training objective: the weighted squared error of predictions made from noisy latents.

Noise, timestep and caption dropout of a sample depend on (seed, step, its place in the global batch) alone, so that the
loss does not depend on how many ranks share the batch. A batch's timesteps are spread evenly over their distribution,
which makes its loss less noisy (arXiv 2107.00630, appendix I.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from platen.tasks.diffusion.prediction_type import chosen_kind
from platen.tasks.diffusion.process import Process, build_process, squared_error
from platen.tasks.diffusion.settings import LogitNormal, ObjectiveSettings


@dataclass(frozen=True)
class Noised:
    """Inputs and targets of one micro-batch: noisy latents, timesteps (n,), target, loss weight (n,), dropped (n,)."""

    latents: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor
    dropped: Tensor


class Objective:
    """Draw the samples of each training step from a process, and compute their loss.

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
        """Add noise to latents (n, channels, ...); `places` are the samples' places in this step's global batch."""
        drawn = [self._draw(latents.shape[1:], step, place) for place in places]
        noise = torch.stack([noise for noise, _ in drawn]).to(latents)
        dropped = torch.tensor([dropped for _, dropped in drawn], device=latents.device)
        noisy, timesteps, target, weight = self.process.at(latents, noise, self._positions(step, places))
        return Noised(noisy, timesteps, target, weight, dropped)

    def _draw(self, shape: torch.Size, step: int, place: int) -> tuple[Tensor, bool]:
        """Draw a sample's noise, and whether its caption is dropped.

        Offset noise is the same over a whole channel, so that a model learns to change the channel's mean.
        """
        generator = torch.Generator().manual_seed(mix(self.seed, step, place))
        noise = torch.randn(shape, generator=generator)
        dropped = bool(torch.rand(1, generator=generator) < self.settings.drop_caption)
        if self.settings.offset_noise:
            noise += self.settings.offset_noise * torch.randn((shape[0], *[1] * (len(shape) - 1)), generator=generator)
        return noise, dropped

    def _positions(self, step: int, places: range) -> Tensor:
        """Return where each place lies on the way to noise, 0 to 1, (n,), float64 on the CPU.

        Each place has its share of the distribution; all of a step are shifted within theirs by the same random amount.
        """
        shift = torch.rand(1, generator=torch.Generator().manual_seed(mix(self.seed, step)))
        shares = (torch.tensor(places, dtype=torch.float64) + float(shift)) / self.global_batch
        return shares if self.settings.logit_normal is None else logit_normal(shares, self.settings.logit_normal)

    def loss(self, prediction: Tensor, noised: Noised) -> Tensor:
        """Return the weighted mean squared error, a scalar."""
        return (squared_error(prediction, noised.target) * noised.weight).mean()


def build_objective(
    settings: ObjectiveSettings, config: dict[str, Any], seed: int, global_batch: int, *, flow_match: bool = True
) -> Objective:
    """Build the objective that the settings and the base's scheduler specify. Raises like `chosen_kind`.

    Args:
        settings: Section train.objective.
        config: The configuration of the base's scheduler.
        seed: Of noise, timesteps and caption dropout.
        global_batch: Samples per step.
        flow_match: Whether the model's pipeline can sample with diffusers' FlowMatch schedulers.
    """
    kind = chosen_kind(settings, config)
    gamma = settings.gamma(kind)
    process = build_process(kind, config, min_snr_gamma=gamma, shift=settings.shift, flow_match=flow_match)
    return Objective(settings, process, seed, global_batch)


def logit_normal(shares: Tensor, settings: LogitNormal) -> Tensor:
    """Return the quantiles of a logit-normal distribution at shares from 0 to 1 (arXiv 2403.03206, section 3.1)."""
    return torch.sigmoid(settings.mean + settings.std * torch.special.ndtri(shares))


def mix(*numbers: int) -> int:
    """Derive one 63-bit seed from several numbers; near inputs give unrelated seeds (SplitMix64's finalizer)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
