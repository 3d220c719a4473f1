"""Which samples a step trains on.

The order is a function of (seed, step, global batch) alone: to resume, nothing but the step is needed, and any number
of ranks and any micro-batch see the same global batches.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Order:
    """The endless sequence of samples: one permutation an epoch, cut into global batches across epoch borders."""

    samples: int
    global_batch: int
    seed: int

    def batch(self, step: int) -> np.ndarray:
        """Indices (global_batch,) of the samples of a step; steps count from 0."""
        first = step * self.global_batch
        positions = np.arange(first, first + self.global_batch)
        epochs, places = np.divmod(positions, self.samples)
        return np.array([self._permutation(int(epoch))[place] for epoch, place in zip(epochs, places, strict=True)])

    def _permutation(self, epoch: int) -> np.ndarray:
        return _permutation(self.seed, epoch, self.samples)


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, samples: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(samples)
