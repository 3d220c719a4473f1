"""Measured numbers of the common kinds: a mean, a share, or none where there are too few data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platen.core.statistics import wilson_interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, the ends of its interval, on how many images it stands, and what to know when reading it."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    note: str = ""


def insufficient(n: int, needed: int, what: str = "pictures") -> Estimate:
    """No number: too few data."""
    return Estimate(None, None, None, n, f"insufficient data: {n} {what} of at least {needed}")


def mean(values: Sequence[float], confidence: float, needed: int, note: str = "") -> Estimate:
    """Estimate the mean of one number per image, with Student's interval."""
    from platen.components.evaluate.intervals import mean_interval

    if len(values) < needed:
        return insufficient(len(values), needed)
    value, low, high = mean_interval(values, confidence)
    return Estimate(value, low, high, len(values), note)


def share(hits: int, n: int, confidence: float, needed: int, note: str = "") -> Estimate:
    """Estimate the share of images for which something holds, with Wilson's interval."""
    if n < needed:
        return insufficient(n, needed)
    low, high = wilson_interval(hits, n, confidence)
    return Estimate(hits / n, low, high, n, note)
