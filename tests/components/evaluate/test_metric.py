import pytest

from platen.components.evaluate.metric import Metric, insufficient, mean, share


def test_a_metric_has_six_significant_digits():
    entry = Metric(1 / 3, 1e-9 / 3, 12345678.9, 7, "share", "none").entry()
    assert entry["value"] == 0.333333
    assert (entry["low"], entry["high"], entry["n"]) == (3.33333e-10, 12345700.0, 7)


@pytest.mark.parametrize(
    "metric",
    [mean([1.0] * 9, 0.95, 10, "u", "lower"), share(3, 9, 0.95, 10, "lower"), insufficient(9, 10, "u", "lower")],
)
def test_below_the_minimum_there_is_no_number(metric):
    assert (metric.value, metric.low, metric.high, metric.n) == (None, None, None, 9)
    assert metric.note == "insufficient data: 9 pictures of at least 10"


def test_at_the_minimum_there_is_one():
    assert share(5, 10, 0.95, 10, "lower").value == 0.5
    assert mean([1.0, 3.0] * 5, 0.95, 10, "u", "lower").value == 2.0
