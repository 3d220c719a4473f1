import pytest

from platen.components.evaluate.settings import EvaluateSettings
from platen.core.errors import SettingsError
from platen.core.settings import section

RED, BLUE = "{value: red, prompts: [a red thing], reference: 0.5}", "{value: blue, prompts: [x], reference: 0.4}"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (f"[{RED}]", "attributes.colour: needs two values or more"),
        (f"[{RED}, {RED}]", "attributes.colour: needs two values or more, each with a name of its own"),
        (f"[{RED}, {BLUE}]", "attributes.colour: the reference shares add up to 0.9, not to 1"),
        ("[{value: red, prompts: [], reference: 1}]", r"evaluate\.metrics\.bias\.attributes\.colour\.0\.prompts"),
        (
            "[{value: red, prompts: [x], share: 1}]",
            r"evaluate\.metrics\.bias\.attributes\.colour\.0\.reference: not set",
        ),
        (f"[{RED[:-1]}, wait: 1}}]", r"attributes\.colour\.0\.wait: unknown setting\. .*value"),
    ],
)
def test_an_attribute_that_cannot_be_measured_is_refused(values, told):
    with pytest.raises(SettingsError, match=told):
        section(EvaluateSettings, f"evaluate: {{metrics: {{bias: {{attributes: {{colour: {values}}}}}}}}}", "evaluate")


def test_no_attributes_are_fine():
    assert EvaluateSettings().of_metric("bias").attributes == {}
    assert EvaluateSettings().model_dump()["metrics"]["bias"]["attributes"] == {}


def test_a_metric_without_settings_has_no_section():
    with pytest.raises(SettingsError, match=r"evaluate\.metrics\.fid: unknown setting"):
        section(EvaluateSettings, "evaluate: {metrics: {fid: {}}}", "evaluate")
    assert EvaluateSettings().of_metric("fid").model_dump() == {}
