"""What follows of measures and their limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.monitoring import INSUFFICIENT
from platen.components.monitor.estimates import Estimate
from platen.components.monitor.judge import Rule, judge


def rule(name: str, low: float | None, limit: float = 0.5) -> Rule:
    estimate = None if low is None else Estimate(low + 0.1, low, low + 0.2)
    return Rule(name, estimate, limit, 40)


@pytest.mark.parametrize(("low", "exceeded"), [(0.49, False), (0.5, False), (0.51, True), (None, False)])
def test_a_measure_is_beyond_its_limit_only_surely(low: float | None, exceeded: bool) -> None:
    assert rule("drift", low).exceeded is exceeded  # its value is beyond the limit each time


def test_one_exceeded_measure_asks_for_retraining_and_the_others_are_no_reason() -> None:
    verdict, reasons = judge([rule("drift", 0.6), rule("error_share", 0.1), rule("latency_p95", None)])
    assert verdict == "retrain"
    assert reasons == ["drift: 0.6 (lower end of its interval) is above the limit of 0.5"]


def test_a_model_is_kept_with_what_could_not_be_judged() -> None:
    assert judge([rule("drift", 0.1), rule("error_share", None)]) == ("keep", [f"error_share: {INSUFFICIENT} (40)"])
    assert judge([rule("drift", 0.1)]) == ("keep", ["every measure is within its limit"])


@given(st.none() | st.floats(0, 1))
def test_the_report_says_of_a_measure_what_the_verdict_does(low: float | None) -> None:
    found = rule("drift", low)
    outcome = found.outcome()
    assert outcome.exceeded is found.exceeded is (judge([found])[0] == "retrain")
    assert (outcome.value == INSUFFICIENT) is (outcome.interval is None) is (outcome.bound is None) is (low is None)
