from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import Estimate
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, NoSettings, Quantity
from platen.components.evaluate.report import judge_images, measured_with, name_metrics
from tests.components.evaluate.metrics.small_context import context

HEIGHT = Quantity("Height", "pixels", "higher")
ESTIMATE = Estimate(2.0, 1.0, 3.0, 9, "a note")


def measure(context: Context, settings: NoSettings) -> Measurement:
    return Measurement(ESTIMATE, parts={"least": HEIGHT.metric(ESTIMATE)})


SPEC = MetricSpec("height", HEIGHT, frozenset({"judge", "held_out"}), measure, provenance=lambda *_: {"ruler": 7})


def test_numbers_are_named_by_the_metric_and_say_what_they_are():
    names = dict(name_metrics(SPEC, SPEC.measure(context([], []), NoSettings())))
    assert names.keys() == {"height", "height.least"}
    assert names["height"].model_dump() == {
        **{"value": 2.0, "low": 1.0, "high": 3.0, "n": 9, "note": "a note"},
        **{"title": "Height", "unit": "pixels", "direction": "higher"},
    }


def test_what_a_metric_needs_and_what_it_adds_say_what_it_was_measured_with():
    assert measured_with(SPEC, context([], [])).keys() == {"judge", "held_out", "ruler"}


def test_images_of_the_neutral_group_have_no_best_prompt():
    first, second = judge_images(context(["a red dog", "a blue dog"], ["red", "red"]))
    assert (first.retrieved, first.clip_score) == (True, 100)
    assert (second.retrieved, second.best_prompt, second.clip_score) == (False, "a red dog", 0)
    (neutral,) = judge_images(context(["a red dog"], ["red"], "neutral"))
    assert neutral.retrieved is None
