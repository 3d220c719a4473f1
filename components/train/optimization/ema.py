"""Exponential moving average of the weights, each rank keeping the average of its own slices.

An average built from the module's parameters under ZeRO-3 holds nothing, and updating it succeeds silently; this one
is built from the optimizer's fp32 partitions, and refuses to be empty.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from platen.components.train.optimization.settings import EmaSettings
from platen.components.train.parallel.zero import (
    gather_whole,
    master_slices,
    named_master_slices,
    whole_count,
    whole_shape,
)
from platen.errors import ExportError


class Ema:
    """The average of an engine's master weights.

    Args:
        settings: How far back the average reaches.
    """

    def __init__(self, engine: Any, settings: EmaSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.slices = [part.detach().clone() for part in master_slices(engine)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step `step` (from 0)."""
        decay = decay_at(self.settings, step)
        for mine, live in zip(self.slices, master_slices(self.engine), strict=True):
            mine.lerp_(live, 1 - decay)

    def state(self) -> list[Tensor]:
        """This rank's slices, to be saved."""
        return self.slices

    def load(self, slices: list[Tensor]) -> None:
        """Take over saved slices of the same layout."""
        for mine, saved in zip(self.slices, slices, strict=True):
            mine.copy_(saved)

    def whole(self) -> dict[str, Tensor]:
        """The averaged weights, whole, by parameter name, on the CPU of rank 0; empty on the others. Collective.

        Raises ExportError where the result is not one number for each number of the model.
        """
        state = gather_named(self.engine, self.slices)
        if dist.get_rank() == 0:
            found = sum(tensor.numel() for tensor in state.values())
            wanted = whole_count(self.engine.module)
            if found != wanted:
                raise ExportError(f"the averaged weights hold {found} numbers; the model has {wanted}")
        return state


def decay_at(settings: EmaSettings, step: int) -> float:
    """Weight of the past in the update after a step (from 0).

    The warm-up keeps the first steps from being averaged with the start.
    """
    return min(settings.decay, (1 + step) / (10 + step)) if settings.warmup else settings.decay


def gather_named(engine: Any, flat: list[Tensor]) -> dict[str, Tensor]:
    """Whole tensors by name from flat partitions, on rank 0, one gathered at a time. Collective."""
    state = {}
    for name, parameter, part in named_master_slices(engine, flat):
        whole = gather_whole(part, whole_shape(parameter))
        if dist.get_rank() == 0:
            state[name] = whole.cpu()
    return state
