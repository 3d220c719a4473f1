"""A measured number: its value, the interval it lies in, and what it was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from platen.components.evaluate.intervals import mean_interval, wilson_interval
from platen.manifest import Json

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of the report.

    Attributes:
        value: The number; None where there are too few data.
        low, high: Ends of its interval; None where there is no number.
        n: On how many pictures it was measured.
        unit: What it is counted in.
        direction: Which way is better.
        note: What to know when reading it.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    direction: Direction
    note: str = ""

    def entry(self) -> dict[str, Json]:
        """As it stands in report.json: six significant digits."""
        return {key: tidy(item) if isinstance(item, float) else item for key, item in asdict(self).items()}


def tidy(number: float) -> float:
    """Six significant digits: what lies behind them is rounding error, which differs between machines."""
    return float(f"{number:.6g}")


def insufficient(n: int, needed: int, unit: str, direction: Direction, what: str = "pictures") -> Metric:
    """No number: too few data."""
    return Metric(None, None, None, n, unit, direction, f"insufficient data: {n} {what} of at least {needed}")


def mean(
    values: Sequence[float], confidence: float, needed: int, unit: str, direction: Direction, note: str = ""
) -> Metric:
    """The mean of one number a picture, with Student's interval."""
    if len(values) < needed:
        return insufficient(len(values), needed, unit, direction)
    value, low, high = mean_interval(values, confidence)
    return Metric(value, low, high, len(values), unit, direction, note)


def share(hits: int, n: int, confidence: float, needed: int, direction: Direction, note: str = "") -> Metric:
    """The share of pictures for which something holds, with Wilson's interval."""
    if n < needed:
        return insufficient(n, needed, "share", direction)
    low, high = wilson_interval(hits, n, confidence)
    return Metric(hits / n, low, high, n, "share", direction, note)
