"""Total variation between the shares that came out and a reference, and the interval of the true one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

STEPS = 12  # of a bisection: to a four-thousandth
TIE = 1e-9  # two distances that differ by rounding alone are the same


def total_variation(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Half the sum of the differences between two distributions, along the last axis."""
    found: np.ndarray = np.abs(shares - reference).sum(axis=-1) / 2
    return found


@dataclass(frozen=True, slots=True)
class Way:
    """Distributions (values,) at every distance: from the reference through the observed shares to the far end.

    The far end has only what there is more of than in the reference, so that distances add up along the way.
    """

    reference: np.ndarray
    shares: np.ndarray
    far: np.ndarray
    observed: float
    furthest: float

    @classmethod
    def through(cls, shares: np.ndarray, reference: np.ndarray) -> Way:
        """The way through some shares; where these are the reference itself, to its rarest value."""
        more = np.where(shares > reference + TIE, shares, 0.0)
        if not more.any():
            more[reference.argmin()] = 1.0
        far = more / more.sum()
        observed, furthest = (float(total_variation(end, reference)) for end in (shares, far))
        return cls(reference, shares, far, observed, furthest)

    def at(self, distance: float) -> np.ndarray:
        """The distribution at a distance."""
        if distance < self.observed:
            return mix(self.reference, self.shares, distance / self.observed)
        rest = self.furthest - self.observed
        return mix(self.shares, self.far, (distance - self.observed) / rest if rest > TIE else 0.0)


def mix(first: np.ndarray, second: np.ndarray, part: float) -> np.ndarray:
    """A distribution with so much of the second; written so that rounding takes no share below 0."""
    part = min(part, 1.0)
    mixed: np.ndarray = (1 - part) * first + part * second
    return mixed


def distance_interval(
    counts: Sequence[int], reference: np.ndarray, confidence: float, draws: int, seed: int
) -> tuple[float, float]:
    """The distances that the counts do not contradict: a test turned around (test inversion, Carpenter 1999).

    A sample lies further from the reference than what it was drawn from, near 0 much further. The percentile bootstrap
    adds that once more, and the basic one is too narrow there: of 300 fair models with 8 values it accused 4 in 10. So
    each distance is tried instead: would samples from there be as near, or as far, as this one?

    Args:
        counts: How often each value came out.
        reference: The shares (values,) that are wanted; they add up to 1.
        confidence: Of the interval.
        draws: Samples that are drawn at each distance that is tried.
        seed: Of the draws, the same at each.
    """
    n, error = sum(counts), (1 - confidence) / 2
    way = Way.through(np.array(counts) / n, reference)

    def drawn(distance: float) -> np.ndarray:
        samples = np.random.default_rng(seed).multinomial(n, way.at(distance), draws) / n
        return total_variation(samples, reference)

    def not_too_near(distance: float) -> bool:
        return bool((drawn(distance) >= way.observed - TIE).mean() > error)

    def not_too_far(distance: float) -> bool:
        return bool((drawn(distance) <= way.observed + TIE).mean() > error)

    return _end(0.0, way.observed, not_too_near), _end(way.furthest, way.observed, not_too_far)


def _end(outer: float, inner: float, possible: Callable[[float], bool]) -> float:
    """The distance furthest from `inner` towards `outer` that is possible; `inner` always is."""
    if possible(outer):
        return outer
    for _ in range(STEPS):
        middle = (outer + inner) / 2
        outer, inner = (outer, middle) if possible(middle) else (middle, inner)
    return inner
