"""Pictures that are there twice. Of several alike the one with the smallest key stays.

Both functions take candidates in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from platen.artifacts.dataset import Drop
from platen.components.merge.join import Candidate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    Numbers = npt.NDArray[np.intp]
    Floats = npt.NDArray[np.float32]

ASPECT = 0.03  # by which width over height of a copy may differ, as a share: rounding when it was made smaller
GAIN = 0.10  # by which a copy may be brighter or darker, as a share
BLOCK = 256  # pictures compared with all earlier ones at a time
TILE = 16_384  # earlier pictures compared at a time: bounds the memory


def exact_duplicates(candidates: Sequence[Candidate]) -> list[Drop]:
    """Those whose bytes, as they came, were there before."""
    first: dict[str, Candidate] = {}
    drops = []
    for candidate in candidates:
        kept = first.setdefault(candidate.sha256, candidate)
        if kept is not candidate:
            drops.append(_drop(candidate, "exact_duplicate", f"same bytes as {kept.source}"))
    return drops


def near_duplicates(
    candidates: Sequence[Candidate],
    thumbnails: Callable[[Sequence[Candidate]], Pixels],
    max_distance: int,
    max_rms: float,
) -> list[Drop]:
    """Those that show what a picture before them shows, saved again: resized, a little brighter, a poorer JPEG.

    The perceptual hash, which is blind to colour, finds pairs; the thumbnails decide.

    Args:
        candidates: To compare; time grows with the square of their number, memory does not.
        thumbnails: Of some candidates, uint8 [n, side, side, 3].
        max_distance: Bits of the hashes that may differ; below 0 nothing is compared.
        max_rms: Root mean square difference of the thumbnails that is allowed, of 255.
    """
    import numpy as np

    if max_distance < 0:
        return []
    drops = []
    kept = np.ones(len(candidates), bool)
    for later, found in _alike(candidates, kept, max_distance):
        earlier = found[kept[found]]
        if not len(earlier):
            continue
        differences = rms(thumbnails([candidates[index] for index in earlier]), thumbnails([candidates[later]])[0])
        close = np.flatnonzero(differences <= max_rms)
        if len(close):
            kept[later] = False
            first = int(close[0])
            detail = f"like {candidates[earlier[first]].source}: thumbnails differ by {differences[first]:.1f} of 255"
            drops.append(_drop(candidates[later], "near_duplicate", detail))
    return drops


def rms(earlier: Pixels, later: Pixels) -> Floats:
    """Root mean square differences of thumbnails [n, side, side, 3] to one of them, at the same brightness."""
    import numpy as np

    many = earlier.reshape(len(earlier), -1).astype(np.float32)
    one = later.reshape(-1).astype(np.float32)
    gain = np.clip(many @ one / max(float(one @ one), 1.0), 1 - GAIN, 1 + GAIN)
    difference: Floats = np.sqrt(np.square(many - gain[:, None] * one).mean(axis=1))
    return difference


def _alike(
    candidates: Sequence[Candidate], kept: npt.NDArray[np.bool_], max_distance: int
) -> Iterator[tuple[int, Numbers]]:
    """For each picture the earlier ones with nearly its hash and shape; those no longer `kept` are left out."""
    import numpy as np

    hashes = np.array([candidate.phash for candidate in candidates], np.uint64)
    shapes = np.log([candidate.aspect for candidate in candidates])
    for start in range(0, len(candidates), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(candidates)))
        earlier = np.flatnonzero(kept[: block[-1] + 1])
        pairs = [
            _pairs(hashes, shapes, block, earlier[tile : tile + TILE], max_distance)
            for tile in range(0, len(earlier), TILE)
        ]
        later, before = (np.concatenate(side) for side in zip(*pairs, strict=True))
        order = np.lexsort((before, later))
        found, starts = np.unique(later[order], return_index=True)
        groups = np.split(before[order], starts[1:]) if len(found) else []
        for picture, group in zip(found, groups, strict=True):
            yield int(picture), group


def _pairs(
    hashes: npt.NDArray[np.uint64],
    shapes: npt.NDArray[np.float64],
    block: Numbers,
    earlier: Numbers,
    max_distance: int,
) -> tuple[Numbers, Numbers]:
    import numpy as np

    near = np.bitwise_count(hashes[block][:, None] ^ hashes[earlier]) <= max_distance
    rows, columns = np.nonzero(near)
    later, before = block[rows], earlier[columns]
    fits = (before < later) & (np.abs(shapes[later] - shapes[before]) <= ASPECT)
    return later[fits], before[fits]


def _drop(candidate: Candidate, reason: str, detail: str) -> Drop:
    return Drop(candidate.key, reason, detail, candidate.source, candidate.caption)
