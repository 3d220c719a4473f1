"""The thumbnails that clean_images left beside its shards, read where they are needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platen.components.merge.join import Candidate
from platen.errors import CorruptError

if TYPE_CHECKING:
    from platen.components.merge.duplicates import Pixels


class Thumbnails:
    """Thumbnails of a folder's pictures; calling it with candidates gives uint8 [n, side, side, 3]."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "thumbnails"
        self._shard = functools.cache(self._open)

    def __call__(self, candidates: Sequence[Candidate]) -> Pixels:
        """Those of some candidates, in their order. Raises CorruptError where there are none."""
        import numpy as np

        try:
            return np.stack([self._shard(candidate.shard)[candidate.position] for candidate in candidates])
        except IndexError:
            raise CorruptError(f"{self._folder}: fewer thumbnails than the index has pictures") from None

    def _open(self, shard: str) -> Pixels:
        import numpy as np

        path = self._folder / f"{shard}.npy"
        try:
            pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CorruptError(f"{path}: not an array of thumbnails: {error}") from None
        return pixels
