import math

import numpy as np
import pytest

from platen.components.evaluate.intervals import goodman_intervals, jackknife, mean_interval


def test_goodman_is_wilson_with_the_error_shared():
    counts = [10, 0, 30]
    z = 2.393979800  # normal quantile of 1 - 0.05 / 3 / 2
    for (low, high), count in zip(goodman_intervals(counts, 0.95), counts, strict=True):
        p, n = count / 40, 40
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-9)


def test_the_mean_has_students_interval():
    value, low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0], 0.95)
    assert value == 3.0
    assert (low, high) == pytest.approx((3 - 1.9632432, 3 + 1.9632432))


def test_the_jackknife_of_a_difference_of_means_is_its_standard_error():
    generator = np.random.default_rng(1)
    left, right = generator.normal(size=(400, 1)), generator.normal(3, 2, size=(900, 1))
    found = jackknife(lambda a, b: float(b.mean() - a.mean()), left, right, 0.95, 400 // 4, 0)
    error = math.sqrt(left.var(ddof=1) / 400 + right.var(ddof=1) / 900)
    assert found.value == pytest.approx(3, abs=0.3)
    assert (found.high - found.low) / 2 == pytest.approx(1.98 * error, rel=0.15)
    assert found.bias == pytest.approx(0, abs=1e-9)


def test_the_jackknife_finds_the_bias_of_the_plug_in_variance():
    sample = np.random.default_rng(2).normal(size=(50, 1))
    other = np.zeros((50, 1))
    found = jackknife(lambda a, b: float(a.var()), sample, other, 0.95, 50, 0)
    assert found.bias == pytest.approx(sample.var() - sample.var(ddof=1))
