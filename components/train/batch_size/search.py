"""Which micro-batches to try."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence


def sizes(own: int, most: int) -> list[int]:
    """The micro-batches that divide the `own` samples of a rank's step, up to `most`, the smallest first."""
    return [size for size in range(1, min(own, most) + 1) if own % size == 0]


def largest_fitting(tried: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    """The largest of some sizes that fits, where all smaller ones fit too; None where none does.

    Doubles from the smallest on until one does not fit, then halves what is left between the two.
    """
    low, high = -1, len(tried)  # the largest known to fit, the smallest known not to
    place = 0
    while low < place < high:
        if fits(tried[place]):
            low = place
            place = min(bisect_left(tried, 2 * tried[low]), len(tried) - 1)
        else:
            high = place
    while high - low > 1:
        middle = (low + high) // 2
        if fits(tried[middle]):
            low = middle
        else:
            high = middle
    return None if low < 0 else tried[low]
