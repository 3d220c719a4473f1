"""Taking turns: an endless sequence in which each of several parts comes as often as its share says, evenly spread."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

LONGEST = 1 << 16  # turns of a cycle: shares that need more are rounded to this many parts


class Turns:
    """Whose turn it is, as a function of its number alone.

    The sequence is a cycle that is repeated for ever. After any number of turns each part has had its share of them to
    within less than one.

    Args:
        shares: Of each part, above 0, in any unit.
    """

    def __init__(self, shares: Sequence[Fraction]) -> None:
        self.counts = np.array(whole_numbers(shares))
        self._parts = dealt(self.counts.tolist())
        self._before = np.empty(len(self._parts), np.int64)
        for part, count in enumerate(self.counts):
            self._before[self._parts == part] = np.arange(count)

    def at(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whose turn some turns (n,) are, counted from 0, and how many of that part came before, each (n,)."""
        cycles, places = np.divmod(numbers, len(self._parts))
        parts = self._parts[places]
        return parts, cycles * self.counts[parts] + self._before[places]


def whole_numbers(shares: Sequence[Fraction]) -> list[int]:
    """Turns of each part in one cycle: in exact proportion where LONGEST turns suffice for that, and at least one."""
    scale = math.lcm(*(share.denominator for share in shares))
    exact = [int(share * scale) for share in shares]
    exact = [count // math.gcd(*exact) for count in exact]
    if sum(exact) <= LONGEST:
        return exact
    return [max(1, round(Fraction(count * LONGEST, sum(exact)))) for count in exact]


def dealt(counts: Sequence[int]) -> np.ndarray:
    """A cycle (sum of counts,) in which part i comes counts[i] times, evenly.

    A part's turn k may come when its share has grown to k, and is due when it has grown to k + 1; of those that may
    come the one that is due first comes. Each then comes in time (Tijdeman 1980, "The chairman assignment problem";
    Baruah et al. 1996, "Proportionate progress").
    """
    length = sum(counts)
    turns = [(k * length // n, -(-(k + 1) * length // n), part) for part, n in enumerate(counts) for k in range(n)]
    waiting = sorted(turns, reverse=True)
    due: list[tuple[int, int]] = []
    parts = np.empty(length, np.int64)
    for place in range(length):
        while waiting and waiting[-1][0] <= place:
            heapq.heappush(due, waiting.pop()[1:])
        parts[place] = heapq.heappop(due)[1]
    return parts
