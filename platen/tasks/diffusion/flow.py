"""Rectified flow (arXiv 2209.03003, 2403.03206): latents go to noise in a straight line; its velocity is predicted."""

from __future__ import annotations

import json
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from platen.tasks.diffusion.prediction_type import is_flow_match, kind_of


class Flow:
    """The straight line from latents (sigma 0) to noise (sigma 1).

    Timesteps are sigma * num_train_timesteps, whatever the model takes: a family whose denoiser takes another scale
    (t / 1000, or 1 - t / 1000) converts them.

    Args:
        config: The configuration of the base's scheduler.
        shift: Above 1, more of the positions lie near noise; None for the scheduler's own.
        flow_match: Whether the model's pipeline can sample with diffusers' FlowMatch schedulers.
    """

    kind = "flow"

    def __init__(self, config: dict[str, Any], shift: float | None, *, flow_match: bool = True) -> None:
        self.scheduler = matching(config, shift, flow_match=flow_match)
        self.shift = own_shift(self.scheduler)
        self.steps = int(self.scheduler.get("num_train_timesteps", 1000))

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone)."""
        sigmas = shifted(positions, self.shift).to(latents)
        spread = sigmas.view(-1, *[1] * (latents.ndim - 1))
        noisy = (1 - spread) * latents + spread * noise
        return noisy, sigmas * self.steps, noise - latents, torch.ones_like(sigmas)


def shifted(sigmas: Tensor, shift: float) -> Tensor:
    """Move noise levels towards noise, as larger images need (arXiv 2403.03206, equation 23; shift is √(m/n))."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def shift_name(config: dict[str, Any]) -> str:
    """Return what the shift is called in a flow scheduler's configuration."""
    return "shift" if is_flow_match(config) else "flow_shift"


def own_shift(config: dict[str, Any]) -> float:
    """Return the shift that a flow scheduler's configuration trains with.

    With use_dynamic_shifting it is none: the sampler then shifts by the image's size, and the class's `shift` has no
    effect. diffusers' own training scripts train such bases (FLUX, Qwen-Image) without a shift too.
    """
    return 1.0 if config.get("use_dynamic_shifting") else float(config.get(shift_name(config), 1.0))


def matching(config: dict[str, Any], shift: float | None, *, flow_match: bool = True) -> dict[str, Any]:
    """Return the configuration of the scheduler that samples from a flow: the base's own wherever that can be.

    Otherwise it is DPM-Solver++: for a base whose own scheduler samples no flow, and for a pipeline that cannot use
    the FlowMatch schedulers (Stable Diffusion's scales the model's input, which they do not offer).

    Args:
        config: The configuration of the base's scheduler.
        shift: Written into it in place of its own, which then no longer depends on the image's size; None leaves it.
        flow_match: Whether the pipeline can use diffusers' FlowMatch schedulers.
    """
    flow = kind_of(config) == "flow"
    if flow and (flow_match or not is_flow_match(config)):
        return config if shift is None else {**config, shift_name(config): shift, "use_dynamic_shifting": False}
    solver = DPMSolverMultistepScheduler(
        num_train_timesteps=config.get("num_train_timesteps", 1000),
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift if shift is not None else own_shift(config) if flow else 1.0,
        steps_offset=1,  # of no effect here, but the pipeline overwrites any other value
    )
    found: dict[str, Any] = json.loads(solver.to_json_string())
    return found
