"""Which samples a step trains on, and where they lie.

The order is a function of (seed, step, global batch) alone: to resume, nothing but the step is needed, and any number
of ranks and any micro-batch see the same global batches.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platen.dataset import read_rows, shards_of
from platen.errors import InputError

TRAIN = "train"


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


class Encoded:
    """The training samples of an encoded folder, memory-mapped: opening costs nothing, reading copies one batch."""

    def __init__(self, folder: Path) -> None:
        self.unconditional = np.load(folder / "unconditional.npy")[0]
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._where: list[tuple[int, int]] = []
        self.keys: list[str] = []
        for number, shard in enumerate(shards_of(folder)):
            latents, text = (np.load(folder / part / f"{shard}.npy", mmap_mode="r") for part in ("latents", "text"))
            self._arrays.append((latents, text))
            for place, row in enumerate(read_rows(folder, shard)):
                if row.split == TRAIN:
                    self._where.append((number, place))
                    self.keys.append(row.key)
        if not self._where:
            raise InputError(f"{folder}: no sample in the split {TRAIN!r}; see merge.split in the settings")

    def __len__(self) -> int:
        return len(self._where)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents (n, channels, height, width) and text (n, tokens[, width]) of some samples."""
        found = [self._where[index] for index in indices]
        latents = np.stack([self._arrays[shard][0][place] for shard, place in found])
        text = np.stack([self._arrays[shard][1][place] for shard, place in found])
        return latents, text
