"""Which rank the others wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from platen.components.train.measure.clock import COMPUTE, DATA, Window


@dataclass(frozen=True)
class Slow:
    """A rank that others wait for.

    Attributes:
        rank: Which.
        share: How much longer than the median of the others it works, as a share of a step.
        part: `compute` or `data`: what takes it longer.
    """

    rank: int
    share: float
    part: str


class Stragglers:
    """Names a rank that was the slowest, and slow, several windows in a row.

    Step times are no help: every rank's are those of the slowest. What a rank does between two collectives is its own.

    Args:
        share: Of a step, by which a slow rank exceeds the median of the others.
        windows: How many in a row.
    """

    def __init__(self, share: float, windows: int) -> None:
        self._share, self._windows = share, windows
        self._last: list[Slow] = []

    def judge(self, ranks: Sequence[Window]) -> Slow | None:
        """The straggler, once this window of each rank is known."""
        slow = slowest(ranks)
        if slow is None or slow.share <= self._share:
            self._last = []
            return None
        same = self._last and self._last[-1].rank == slow.rank
        self._last = [*self._last, slow] if same else [slow]
        del self._last[: -self._windows]
        return slow if len(self._last) == self._windows else None


def slowest(ranks: Sequence[Window]) -> Slow | None:
    """The rank that was busy longest; None where there is no other to compare it with."""
    step = sum(window.training for window in ranks) / max(len(ranks), 1)
    if len(ranks) < 2 or step <= 0:
        return None
    rank = max(range(len(ranks)), key=lambda index: ranks[index].busy)
    others = [window for index, window in enumerate(ranks) if index != rank]
    computes = ranks[rank].compute - median(window.compute for window in others)
    waits = ranks[rank].data - median(window.data for window in others)
    share = (ranks[rank].busy - median(window.busy for window in others)) / step
    return Slow(rank, share, COMPUTE if computes >= waits else DATA)
