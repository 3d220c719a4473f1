from platen.components.evaluate.metrics.base import NoSettings
from platen.components.evaluate.metrics.clip_score import METRIC
from tests.components.evaluate.metrics.small_context import context


def test_an_image_is_scored_with_its_own_prompt():
    found = METRIC.measure(context(["a red dog", "a blue dog"], ["red", "green"]), NoSettings()).estimate
    assert (found.value, found.n) == (50, 2)
    assert found.low < 50 < found.high
