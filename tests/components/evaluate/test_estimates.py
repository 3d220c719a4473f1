import pytest

from platen.components.evaluate.estimates import insufficient, mean, share


@pytest.mark.parametrize(
    "metric",
    [mean([1.0] * 9, 0.95, 10), share(3, 9, 0.95, 10), insufficient(9, 10)],
)
def test_below_the_minimum_there_is_no_number(metric):
    assert (metric.value, metric.low, metric.high, metric.n) == (None, None, None, 9)
    assert metric.note == "insufficient data: 9 pictures of at least 10"


def test_at_the_minimum_there_is_one():
    assert share(5, 10, 0.95, 10).value == 0.5
    assert mean([1.0, 3.0] * 5, 0.95, 10).value == 2.0
