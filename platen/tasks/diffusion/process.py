"""The forward process of a model and the error of its predictions: one definition for training and evaluation."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from platen.tasks.diffusion.flow import Flow
from platen.tasks.diffusion.noise_schedule import Diffusion


class Process(Protocol):
    """How latents become noise, and what is to be predicted on the way."""

    kind: str
    """What is predicted: epsilon, v, flow or sample."""

    scheduler: dict[str, Any]
    """The configuration of the diffusers scheduler that samples from the trained model."""

    def at(self, latents: Tensor, noise: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return noisy latents, timesteps, target and weight at positions (n,) from 0 (no noise) to 1 (noise alone).

        Latents are (n, channels, ...) with any number of dimensions; timesteps lie in 0 to num_train_timesteps.
        """
        ...


def build_process(
    kind: str,
    config: dict[str, Any],
    *,
    min_snr_gamma: float | None = None,
    shift: float | None = None,
    flow_match: bool = True,
) -> Process:
    """Build the process of a kind of prediction.

    Args:
        kind: epsilon, v, flow or sample.
        config: The configuration of the model's scheduler.
        min_snr_gamma: Of the loss weights of epsilon and v; None for weights of 1.
        shift: Of flow; None for the scheduler's own.
        flow_match: Of flow: whether the model's pipeline can sample with diffusers' FlowMatch schedulers.
    """
    if kind == "flow":
        return Flow(config, shift, flow_match=flow_match)
    return Diffusion(config, kind, min_snr_gamma)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return each sample's mean squared error, (n,), in fp32; both arguments are (n, ...)."""
    return (prediction.float() - target.float()).square().mean(dim=tuple(range(1, target.ndim)))
