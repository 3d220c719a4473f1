"""Estimates with their intervals: what the log says is a sample of what the model meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platen.core.statistics import wilson_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measured value and the ends of its interval."""

    value: float
    low: float
    high: float


def estimate_share(hits: int, n: int, confidence: float) -> Estimate:
    """Estimate a share, with Wilson's score interval."""
    return Estimate(hits / n, *wilson_interval(hits, n, confidence))


def estimate_quantile(values: Sequence[float], level: float, confidence: float) -> Estimate:
    """A quantile with an interval between two order statistics (Hahn and Meeker 1991, section 5.2).

    It holds for any distribution. Where there are too few values for an end, that end is 0 or the largest value.
    """
    import numpy as np
    from scipy import stats

    ordered, tail = sorted(values), (1 - confidence) / 2
    below, above = (int(stats.binom.ppf(chance, len(ordered), level)) for chance in (tail, 1 - tail))
    low = ordered[below - 1] if below else 0.0
    return Estimate(float(np.quantile(ordered, level)), low, ordered[min(above, len(ordered) - 1)])


def resample(n: int, resamples: int, seed: int) -> Iterator[NDArray[Any]]:
    """How often each of n observations is drawn in each bootstrap sample, shape (n,)."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return (generator.multinomial(n, np.full(n, 1 / n)) for _ in range(resamples))
