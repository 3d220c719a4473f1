"""Rectified flow (arXiv 2209.03003, 2403.03206): latents go to noise in a straight line, its velocity is predicted."""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from platen.components.train.objectives.kinds import kind_of


class Flow:
    """The straight way from latents (sigma 0) to noise (sigma 1).

    Args:
        config: The base model's scheduler's.
        shift: Above 1, more of the positions lie near noise; None for the scheduler's own.
    """

    def __init__(self, config: dict[str, Any], shift: float | None) -> None:
        self.scheduler = matching(config, shift)
        self.shift = float(self.scheduler[shift_name(self.scheduler)])
        self.steps = int(self.scheduler["num_train_timesteps"])

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone)."""
        sigmas = shifted(positions, self.shift).to(latents)
        spread = sigmas.view(-1, 1, 1, 1)
        noisy = (1 - spread) * latents + spread * noise
        return noisy, sigmas * self.steps, noise - latents, torch.ones_like(sigmas)


def shifted(sigmas: Tensor, shift: float) -> Tensor:
    """Noise levels moved towards noise, as larger pictures need (arXiv 2403.03206, equation 23; shift is √(m/n))."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def shift_name(config: dict[str, Any]) -> str:
    """What the shift is called in a scheduler's configuration."""
    return "flow_shift" if "flow_shift" in config else "shift"


def matching(config: dict[str, Any], shift: float | None) -> dict[str, Any]:
    """The configuration of a scheduler that samples from a flow, the base's own where it is one.

    A Stable Diffusion pipeline cannot sample with FlowMatchEulerDiscreteScheduler; with DPM-Solver++ it can.
    """
    if kind_of(config) == "flow":
        return config if shift is None else {**config, shift_name(config): shift, "use_dynamic_shifting": False}
    solver = DPMSolverMultistepScheduler(
        num_train_timesteps=config.get("num_train_timesteps", 1000),
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0 if shift is None else shift,
        steps_offset=1,  # of no effect here, but the pipeline mends any other
    )
    found: dict[str, Any] = json.loads(solver.to_json_string())
    return found
