"""Sizes of training pictures: a square, or for pictures of many shapes one of several sizes of about as many pixels."""

from __future__ import annotations

import functools

from platen.components.clean_images.settings import BucketSettings

Size = tuple[int, int]  # width, height, in pixels


@functools.cache
def sizes(resolution: int, buckets: BucketSettings | None) -> tuple[Size, ...]:
    """The sizes that pictures may get, from the narrowest to the widest.

    None has more pixels than the square: for each longer side the longest other one that this leaves, both ways round.
    """
    if buckets is None:
        return ((resolution, resolution),)
    found = set()
    for longer in range(resolution, 2 * resolution * buckets.step, buckets.step):
        shorter = resolution * resolution // longer // buckets.step * buckets.step
        if not shorter or longer > buckets.max_ratio * shorter:
            break
        found |= {(shorter, longer), (longer, shorter)}
    return tuple(sorted(found, key=lambda size: (size[0] / size[1], size)))


def fitting(width: int, height: int, accepted: tuple[Size, ...]) -> Size:
    """The size of which a picture loses least when it is cropped to its shape; of two, the larger one."""
    return max(accepted, key=lambda size: (kept_share(width, height, size), size[0] * size[1]))


def kept_share(width: int, height: int, size: Size) -> float:
    """Which share of a picture is left when it is cropped to the shape of a size."""
    this, that = width * size[1], height * size[0]
    return min(this, that) / max(this, that)
