from __future__ import annotations

import numpy as np
import pytest

from platen.components.monitor.estimates import estimate_quantile, estimate_share


def test_a_share_has_wilsons_interval() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    found = estimate_share(15, 148, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((15 / 148, 0.0624, 0.1605), abs=5e-5)


def test_a_quantiles_ends_are_the_order_statistics_of_the_tables() -> None:
    """The median of 20 values lies between the 6th and the 15th with 95.9 % (Hahn and Meeker 1991, table A.15)."""
    found = estimate_quantile([float(number) for number in range(20, 0, -1)], 0.5, 0.95)
    assert (found.value, found.low, found.high) == (10.5, 6, 15)


@pytest.mark.parametrize("n", [30, 200])
def test_a_quantile_lies_above_the_lower_end_as_often_as_it_says(n: int) -> None:
    samples = np.random.default_rng(0).exponential(size=(400, n))
    lows = [estimate_quantile(sample.tolist(), 0.95, 0.95).low for sample in samples]
    assert np.mean(np.array(lows) <= -np.log(0.05)) >= 0.96


def test_too_few_values_have_no_end_of_their_own() -> None:
    found = estimate_quantile([2.0, 1.0], 0.5, 0.95)
    assert (found.low, found.high) == (0.0, 2.0)
