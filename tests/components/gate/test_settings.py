import pytest

from platen.components.gate.settings import GateSettings
from platen.core.errors import SettingsError
from platen.core.settings import parse, section


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{metric: fid, direction: at_most}", "fid: an absolute rule needs a limit"),
        (
            "{metric: fid, direction: at_most, limit: 3, against: champion}",
            r"a champion rule takes a margin, not a limit \(got limit 3.0\)",
        ),
        (
            "{metric: fid, direction: at_most, limit: 3, margin: 1}",
            r"an absolute rule takes a limit, not a margin \(got margin 1.0\)",
        ),
        ("{metric: fid, direction: below, limit: 3}", "gate.rules.0.direction: 'below'.*at_least or at_most"),
        ("{metric: fid, direction: at_most, limit: .nan}", "gate.rules.0.limit: nan"),
        ("{metric: fid, direction: at_most, limt: 3}", "gate.rules.0.limt: unknown setting.*limit"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(rule, told):
    with pytest.raises(SettingsError, match=told):
        section(GateSettings, f"gate: {{rules: [{rule}]}}", "gate")


def test_no_rules_are_not_a_gate():
    with pytest.raises(SettingsError, match="rules"):
        parse(GateSettings, "rules: []")


def test_every_default_rule_has_a_name_of_its_own():
    names = [rule.name for rule in GateSettings().rules]
    assert "held_out_loss at most 1" in names
    assert "clip_score at least the champion's, 2 worse allowed" in names
    assert len(set(names)) == len(names)
