"""Statistics that several stages report."""

from __future__ import annotations


def wilson_interval(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the ends of Wilson's score interval of a share (Wilson 1927)."""
    from scipy import stats

    interval = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
