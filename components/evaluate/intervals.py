"""Confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from platen.core.statistics import wilson_interval

Array = np.ndarray


def mean_interval(values: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Mean of two numbers or more, and the ends of Student's interval around it."""
    from scipy import stats

    sample = np.asarray(values, dtype=np.float64)
    half = stats.t.ppf((1 + confidence) / 2, len(sample) - 1) * sample.std(ddof=1) / np.sqrt(len(sample))
    centre = float(sample.mean())
    return centre, centre - float(half), centre + float(half)


def goodman_intervals(counts: Sequence[int], confidence: float) -> list[tuple[float, float]]:
    """Intervals of the shares of several values that hold all at once (Goodman 1965).

    They are Wilson's with the error divided by the number of values.
    """
    n = sum(counts)
    return [wilson_interval(count, n, 1 - (1 - confidence) / len(counts)) for count in counts]


@dataclass(frozen=True, slots=True)
class Jackknifed:
    """A statistic of two samples, the ends of its interval, and the estimate of its bias."""

    value: float
    low: float
    high: float
    bias: float


def jackknife(
    statistic: Callable[[Array, Array], float], left: Array, right: Array, confidence: float, groups: int, seed: int
) -> Jackknifed:
    """Delete-a-group jackknife of a statistic of two independent samples (Kott 2001).

    A bootstrap would not do for distances between distributions: repeated pictures alone make them larger.

    Args:
        statistic: Takes both samples.
        left: One row a picture, at least two a group.
        right: The same for the other sample.
        confidence: Of the interval.
        groups: How many parts each sample is cut into, at random.
        seed: Of the cuts.
    """
    from scipy import stats

    generator = np.random.default_rng(seed)
    value = statistic(left, right)
    without_left = [statistic(part, right) for part in _without_each_group(left, groups, generator)]
    without_right = [statistic(left, part) for part in _without_each_group(right, groups, generator)]
    replicates = np.array([without_left, without_right])
    variance = (groups - 1) / groups * ((replicates - replicates.mean(1, keepdims=True)) ** 2).sum()
    bias = (groups - 1) * (replicates.mean(1) - value).sum()
    half = stats.t.ppf((1 + confidence) / 2, groups - 1) * np.sqrt(variance)
    return Jackknifed(value, value - float(half), value + float(half), float(bias))


def _without_each_group(sample: Array, groups: int, generator: np.random.Generator) -> list[Array]:
    parts = np.array_split(generator.permutation(len(sample)), groups)
    return [np.delete(sample, part, axis=0) for part in parts]
