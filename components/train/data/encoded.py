"""Where the samples that a step trains on lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from platen.dataset import read_rows, shards_of
from platen.errors import InputError

TRAIN = "train"


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
