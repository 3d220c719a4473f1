"""Where the samples that a step trains on lie."""

from __future__ import annotations

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platen.components.train.data.index import TRAIN, training_rows
from platen.dataset import shards_of
from platen.errors import CorruptError, InputError

MAPPED = 10_000  # shards whose arrays are mapped at a time: Linux grants a process 65,530 mappings


@dataclass(frozen=True)
class Shard:
    """The training samples of a shard: which rows of its arrays they are, and the size of their pictures in pixels."""

    name: str
    size: tuple[int, int]
    rows: np.ndarray


class Encoded:
    """The training samples of an encoded folder, memory-mapped: opening reads the index, reading copies one batch.

    Samples are numbered by the size of their pictures, then by shard.

    Attributes:
        unconditional: What the empty caption encodes to.
        buckets: The numbers of the samples of each size.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unconditional = np.load(folder / "unconditional.npy")[0]
        found = (_shard(folder, name) for name in shards_of(folder))
        self.shards = sorted((shard for shard in found if len(shard.rows)), key=lambda shard: (shard.size, shard.name))
        if not self.shards:
            raise InputError(f"{folder}: no sample in the split {TRAIN!r}; see merge.split in the settings")
        self._starts = np.cumsum([0, *(len(shard.rows) for shard in self.shards)])
        self.buckets = self._buckets()
        self._arrays = functools.lru_cache(MAPPED)(self._map)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoded")
        self._expected: Future[object] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents (n, channels, height, width) and text (n, tokens[, width]) of some samples of one size."""
        found = [(self._arrays(shard.name), shard.rows[place]) for shard, place in self._places(indices)]
        latents = np.stack([latents[row] for (latents, _), row in found])
        text = np.stack([text[row] for (_, text), row in found])
        return latents, text

    def expect(self, indices: np.ndarray) -> None:
        """Have samples that will be read soon brought from the disk to memory meanwhile; returns at once.

        They are read and thrown away: while NumPy copies, which is when the disk is waited for, other threads go on.
        """
        if self._expected is None or self._expected.done():
            self._expected = self._thread.submit(self.read, indices)

    def keys(self, indices: np.ndarray) -> list[str]:
        """The keys of some samples, read from the index."""
        keys = functools.cache(lambda name: training_rows(self.folder, name, ["key"])["key"])
        return [keys(shard.name)[place].as_py() for shard, place in self._places(indices)]

    def _places(self, indices: np.ndarray) -> list[tuple[Shard, int]]:
        """The shard of each sample, and its place among the training samples there."""
        numbers = np.searchsorted(self._starts, indices, side="right") - 1
        places = indices - self._starts[numbers]
        return [(self.shards[number], place) for number, place in zip(numbers.tolist(), places.tolist(), strict=True)]

    def _buckets(self) -> list[range]:
        sizes = [shard.size for shard in self.shards]
        firsts = [number for number, size in enumerate(sizes) if number == 0 or size != sizes[number - 1]]
        starts = [int(self._starts[first]) for first in firsts]
        return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(self)], strict=True)]

    def _map(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        latents, text = (np.load(self.folder / part / f"{name}.npy", mmap_mode="r") for part in ("latents", "text"))
        return latents.view(np.ndarray), text.view(np.ndarray)


def _shard(folder: Path, name: str) -> Shard:
    rows = training_rows(folder, name, ["width", "height"])
    sizes = [(size["width"], size["height"]) for size in rows.group_by(["width", "height"]).aggregate([]).to_pylist()]
    if len(sizes) > 1:
        raise CorruptError(f"{folder}/index/{name}.parquet: pictures of {len(sizes)} sizes; a shard has arrays of one")
    return Shard(name, sizes[0] if sizes else (0, 0), rows["row"].to_numpy())
