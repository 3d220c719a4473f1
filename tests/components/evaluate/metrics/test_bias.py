import pytest

from platen.components.evaluate.metrics.bias import METRIC, BiasSettings
from tests.components.evaluate.metrics.small_context import COLORS, context

VALUES = [{"value": name, "prompts": [f"a {name} thing"], "reference": 1 / 3} for name in COLORS]
SETTINGS = BiasSettings.model_validate({"attributes": {"color": VALUES}})
SHOWN = ["red"] * 6 + ["green"] * 3 + ["blue"] * 3


def test_every_number_and_value_of_an_attribute_is_named():
    found = METRIC.measure(context(["a dog"] * 12, SHOWN, "neutral"), SETTINGS)
    assert found.estimate is None
    assert found.parts["color.distance"].value == pytest.approx(1 / 6)
    shares = {name: found.parts[f"color.values.{name}.share"] for name in COLORS}
    assert {name: (share.value, share.title) for name, share in shares.items()} == {
        "red": (0.5, "red"),
        "green": (0.25, "green"),
        "blue": (0.25, "blue"),
    }
    assert found.parts["color.judge_accuracy"].value == 1.0
    assert found.parts["color.abstained"].value == 0.0


def test_the_breakdown_counts_each_value():
    breakdown = METRIC.measure(context(["a dog"] * 12, SHOWN, "neutral"), SETTINGS).breakdowns["color"]
    assert (breakdown.title, breakdown.prompts) == ("color", ["a dog"])
    assert [(value.value, value.count) for value in breakdown.values] == [("red", 6), ("green", 3), ("blue", 3)]


def test_other_groups_are_left_out():
    found = METRIC.measure(context(["a dog"] * 12, SHOWN, "grid"), SETTINGS)
    assert found.parts["color.distance"].value is None
    assert found.breakdowns["color"].prompts == []
