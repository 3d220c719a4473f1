import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.gate.rules import Missing, judge, look_up
from platen.components.gate.settings import Rule
from tests.small_report import bias, metric, report

USED = {"clip_score": {"judge": "j", "prompts": "p"}, "bias": {"judge": "j"}}
REPORT = report(
    clip_score=metric(70.0, 68.0, 72.0),
    bias={"colour": bias(distance=metric(None, note="insufficient data: 3 of 20"))},
    kid=metric(5),
    measured_with=USED,
)


def one(rule, report=REPORT, champion=None):
    return judge([rule], report, champion)[0]


@pytest.mark.parametrize(
    ("direction", "limit", "bound", "passed"),
    [("at_least", 68.0, 68.0, True), ("at_least", 69.0, 68.0, False), ("at_most", 72.0, 72.0, True),
     ("at_most", 71.0, 72.0, False)],
)  # fmt: skip
def test_an_absolute_limit_meets_the_unfavourable_end(direction, limit, bound, passed):
    verdict = one(Rule(metric="clip_score", direction=direction, limit=limit))
    assert (verdict.passed, verdict.bound, verdict.limit) == (passed, bound, limit)
    assert f"{bound:.4g}" in verdict.reason and f"{limit:.4g}" in verdict.reason


@pytest.mark.parametrize(
    ("direction", "value", "margin", "passed"),
    [("at_least", 69.0, 1.0, True), ("at_least", 69.5, 1.0, False), ("at_most", 71.0, 1.0, True),
     ("at_most", 70.5, 1.0, False)],
)  # fmt: skip
def test_a_champion_is_met_at_its_value_with_the_margin(direction, value, margin, passed):
    champion = report(clip_score=metric(value, 0.0, 99.0), measured_with=USED)
    rule = Rule(metric="clip_score", direction=direction, against="champion", margin=margin)
    verdict = one(rule, champion=champion)
    assert verdict.passed is passed
    assert verdict.limit == (value - margin if direction == "at_least" else value + margin)


def test_without_a_champion_a_champion_rule_passes():
    verdict = one(Rule(metric="clip_score", direction="at_least", against="champion"))
    assert verdict.passed and verdict.limit is None
    assert "no model was live" in verdict.reason


@pytest.mark.parametrize("metric", ["bias.colour.distance", "counts", "clip_score.middle", "bias.shape.distance"])
@pytest.mark.parametrize("required", [True, False])
def test_what_is_not_known_fails_only_what_is_required(metric, required):
    verdict = one(Rule(metric=metric, direction="at_most", limit=1.0, required=required))
    assert verdict.passed is not required
    assert verdict.bound is None
    assert "insufficient data: 3 of 20" in verdict.reason or f"the report has no metric {metric}" in verdict.reason


def test_a_champion_without_the_metric_fails_what_is_required():
    verdict = one(Rule(metric="clip_score", direction="at_least", against="champion"), champion=report())
    assert not verdict.passed
    assert "the champion's report" in verdict.reason


@pytest.mark.parametrize(
    ("used", "told"),
    [
        ({"clip_score": {"judge": "k", "prompts": "q"}}, "the champion was measured otherwise: judge, prompts"),
        ({"clip_score": {"judge": "j", "prompts": "p", "n": 5}}, "the champion was measured otherwise: n"),
        ({"fid": {}}, "the champion's report was measured before it was recorded"),
        ({}, "the champion's report was measured before it was recorded"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_a_champion_that_was_measured_otherwise_fails_only_what_is_required(used, told, required):
    """And where it does not, a champion that could not be beaten is none."""
    champion = report(clip_score=metric(99.0), measured_with=used)
    verdict = one(
        Rule(metric="clip_score", direction="at_least", against="champion", required=required), REPORT, champion
    )
    assert verdict.passed is not required
    assert (verdict.value, verdict.limit) == (70.0, None)
    assert told in verdict.reason


def test_what_other_metrics_were_measured_with_is_of_no_matter():
    champion = REPORT.model_copy(update={"measured_with": {**USED, "bias": {"judge": "k"}, "fid": {}}})
    assert one(Rule(metric="clip_score", direction="at_least", against="champion", margin=2), REPORT, champion).passed


def test_a_report_from_before_the_record_is_not_compared():
    before = report(clip_score=metric(1))
    verdict = one(Rule(metric="clip_score", direction="at_least", against="champion"), before, REPORT)
    assert not verdict.passed
    assert verdict.reason.startswith("the report was measured before it was recorded")


def test_a_metric_in_a_group_is_compared_by_what_the_group_was_measured_with():
    ours, theirs = (
        report(bias={"colour": bias(distance=metric(0.1))}, measured_with={"bias": {"margin": margin}})
        for margin in (0.1, 0.2)
    )
    rule = Rule(metric="bias.colour.distance", direction="at_most", against="champion")
    assert one(rule, ours, ours).passed
    assert one(rule, ours, theirs).reason.startswith("the champion was measured otherwise: margin")


def test_a_metric_without_an_interval_is_taken_at_its_value():
    assert one(Rule(metric="kid", direction="at_least", limit=5.0)).passed
    assert not one(Rule(metric="kid", direction="at_least", limit=5.1)).passed


numbers = st.floats(-1e6, 1e6)
metrics = st.none() | st.tuples(numbers, numbers, numbers).map(sorted)


def entry(ends):
    low, value, high = ends or (None, None, None)
    return report(fid=metric(value, low, high), measured_with={"fid": {}})


@given(metrics, metrics, numbers, st.floats(0, 1e6), st.sampled_from(["at_least", "at_most"]), st.booleans())
def test_a_stricter_rule_never_lets_a_model_through_that_was_refused(found, best, limit, step, direction, required):
    stricter = limit + step if direction == "at_least" else limit - step
    common = {"metric": "fid", "direction": direction, "required": required}
    lax, strict = (one(Rule(**common, limit=number), entry(found)) for number in (limit, stricter))
    assert lax.passed or not strict.passed
    wide, tight = (
        one(Rule(**common, against="champion", margin=margin), entry(found), entry(best)) for margin in (step, 0.0)
    )
    assert wide.passed or not tight.passed


@given(st.tuples(numbers, numbers, numbers).map(sorted), numbers, st.sampled_from(["at_least", "at_most"]))
def test_a_narrower_interval_never_turns_a_pass_into_a_refusal(found, limit, direction):
    rule = Rule(metric="m", direction=direction, limit=limit)
    sharp = entry([found[1]] * 3)
    assert one(rule, sharp).passed or not one(rule, entry(found)).passed


def test_a_path_into_nothing_says_what_is_missing():
    found = look_up(REPORT, "clip_score.low.deeper")
    assert isinstance(found, Missing)
    assert found.why == "the report has no metric clip_score.low.deeper"
