"""The thumbnails that clean_images left beside its shards, read where they are needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.merge.join import Candidate
from platen.core.errors import CorruptError

if TYPE_CHECKING:
    from platen.components.merge.duplicates import Pixels

OPEN = 64  # shards mapped at a time: each map holds a file descriptor


class Thumbnails:
    """Thumbnails of a folder's pictures; calling it with candidates gives uint8 [n, side, side, 3]."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "thumbnails"
        self._shard = functools.lru_cache(OPEN)(self._open)

    def __call__(self, candidates: Sequence[Candidate]) -> Pixels:
        """Those of some candidates, in their order. Raises CorruptError where there are none."""
        import numpy as np

        in_shards = sorted(range(len(candidates)), key=lambda number: candidates[number].shard)  # each opened once
        copies = {number: self._copy(candidates[number]) for number in in_shards}
        return np.stack([copies[number] for number in range(len(candidates))])

    def _copy(self, candidate: Candidate) -> Pixels:
        """One thumbnail; a copy, since a view would hold its shard open."""
        import numpy as np

        try:
            return np.array(self._shard(candidate.shard)[candidate.position])
        except IndexError:
            raise CorruptError(f"{self._folder}: fewer thumbnails than images in the index") from None

    def _open(self, shard: str) -> Pixels:
        import numpy as np

        path = self._folder / f"{shard}.npy"
        try:
            pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError) as error:
            raise CorruptError(f"{path}: not an array of thumbnails: {error}") from None
        return pixels
