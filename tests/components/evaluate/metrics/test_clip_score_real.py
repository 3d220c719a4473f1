from platen.components.evaluate.metrics.base import NoSettings
from platen.components.evaluate.metrics.clip_score_real import METRIC
from tests.components.evaluate.metrics.small_context import context


def test_held_out_images_are_scored_with_their_captions():
    found = METRIC.measure(context(["a red dog"], ["green"]), NoSettings()).estimate
    assert (found.value, found.low, found.high, found.n) == (100, 100, 100, 2)
    assert METRIC.quantity.direction == "none"
