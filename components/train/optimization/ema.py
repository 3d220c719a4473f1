"""Exponential moving average of the weights, each rank keeping the average of its own part.

An average built from the module's parameters under ZeRO-3 holds nothing, and updating it succeeds silently; this one
is built from what the optimizer updates in fp32, and refuses to be empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from platen.components.train.optimization.decay import decay_at
from platen.components.train.optimization.settings import EmaSettings
from platen.components.train.parallel.masters import Masters
from platen.components.train.parallel.whole import gather


class Ema:
    """The average of what an optimizer holds.

    Args:
        settings: How far back the average reaches.
    """

    def __init__(self, masters: Masters, settings: EmaSettings) -> None:
        self.masters = masters
        self.settings = settings
        self.flats = [self._copy(flat) for flat in range(len(masters.keys))]

    def _copy(self, flat: int) -> Tensor:
        with self.masters.resident(flat) as live:
            return live.detach().clone()

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step `step` (from 0)."""
        decay = decay_at(self.settings, step)
        for flat, mine in enumerate(self.flats):
            with self.masters.resident(flat) as live:
                mine.lerp_(live, 1 - decay)

    def whole(self) -> dict[str, Tensor]:
        """The averaged weights, whole, by parameter name, on the CPU of rank 0; empty on the others. Collective.

        Raises ExportError where the ranks together do not hold one number for each number that is trained.
        """
        return gather(self.masters, self.flats)
