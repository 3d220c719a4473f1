"""Measured numbers of the common kinds: a mean, a share, or none where there are too few data."""

from __future__ import annotations

from collections.abc import Sequence

from platen.artifacts.evaluation import Direction, Metric
from platen.components.evaluate.intervals import mean_interval
from platen.core.statistics import wilson_interval


def insufficient(n: int, needed: int, unit: str, direction: Direction, what: str = "pictures") -> Metric:
    """No number: too few data."""
    note = f"insufficient data: {n} {what} of at least {needed}"
    return Metric(value=None, low=None, high=None, n=n, unit=unit, direction=direction, note=note)


def mean(
    values: Sequence[float], confidence: float, needed: int, unit: str, direction: Direction, note: str = ""
) -> Metric:
    """The mean of one number a picture, with Student's interval."""
    if len(values) < needed:
        return insufficient(len(values), needed, unit, direction)
    value, low, high = mean_interval(values, confidence)
    return Metric(value=value, low=low, high=high, n=len(values), unit=unit, direction=direction, note=note)


def share(hits: int, n: int, confidence: float, needed: int, direction: Direction, note: str = "") -> Metric:
    """The share of pictures for which something holds, with Wilson's interval."""
    if n < needed:
        return insufficient(n, needed, "share", direction)
    low, high = wilson_interval(hits, n, confidence)
    return Metric(value=hits / n, low=low, high=high, n=n, unit="share", direction=direction, note=note)
