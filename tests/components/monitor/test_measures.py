"""What is measured of the traffic, each measure where there is enough for it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from platen.artifacts.monitoring import INSUFFICIENT
from platen.components.monitor.measures import measure, quantiles
from platen.components.monitor.settings import MonitorSettings
from platen.components.monitor.traffic import Traffic

SETTINGS = MonitorSettings(min_requests=3, resamples=100)
CAPTIONS = Counter(["a", "red", "circle", "a", "blue", "square"])  # words


def traffic(answered: int = 0, failed: int = 0, prompts: tuple[str, ...] = ()) -> Traffic:
    return Traffic(
        statuses=Counter({200: answered, 500: failed, 400: 7}), latencies=[0.5] * answered, prompts=list(prompts)
    )


def taken(found: Traffic) -> set[str]:
    """The names of the measures that there was enough for."""
    return {rule.name for rule in measure(SETTINGS, found, CAPTIONS).rules(SETTINGS) if rule.estimate is not None}


def test_each_measure_needs_enough_of_its_own() -> None:
    assert taken(traffic()) == set()
    assert taken(traffic(failed=3)) == {"error_share"}  # none was answered: there is no latency
    assert taken(traffic(answered=3)) == {"error_share", "latency_p95"}
    again = ("a red circle",) * 9
    assert taken(traffic(prompts=again)) == set(), "one prompt, however often it is sent"
    assert taken(traffic(prompts=("a", "b", "c"))) == {"unknown_share", "drift"}


def test_a_rule_says_what_it_rests_on_and_its_own_limit() -> None:
    found = measure(SETTINGS, traffic(answered=4, failed=1, prompts=("a", "a", "b")), CAPTIONS)
    rules = {rule.name: (rule.n, rule.limit) for rule in found.rules(SETTINGS)}
    assert rules == {
        "error_share": (5, SETTINGS.max_error_share),
        "latency_p95": (4, SETTINGS.max_latency_p95),
        "unknown_share": (2, SETTINGS.max_unknown_share),
        "drift": (2, SETTINGS.max_drift),
    }


def test_words_that_no_caption_has_are_a_share_of_all() -> None:
    prompts = ("a red circle", "a red dragon", "a blue square")  # dragon is 1 of 9
    found = measure(SETTINGS, traffic(prompts=prompts), CAPTIONS)
    assert found.unknown_share is not None
    assert found.unknown_share.value == pytest.approx(1 / 9)


def test_counts_and_prompts_stand_in_the_report() -> None:
    found = traffic(answered=2, prompts=("one", "one", "one two three", ""))
    found.first = datetime(2026, 11, 1, tzinfo=UTC)
    report = measure(SETTINGS, found, CAPTIONS)
    counts, prompts = report.counts(), report.prompts()
    assert (counts.requests, counts.by_status["400"], counts.first, counts.last) == (
        9,
        7,
        "2026-11-01T00:00:00+00:00",
        None,
    )
    assert (prompts.count, prompts.distinct, prompts.words_median, prompts.words_max) == (4, 3, 1, 3)
    assert measure(SETTINGS, traffic(), CAPTIONS).prompts().words_max == INSUFFICIENT


def test_quantiles_are_numpy_s() -> None:
    values = [0.1, 0.4, 0.2, 9.0, 0.3]
    found = quantiles(values)
    assert found["p50"] == 0.3
    assert found["p95"] == pytest.approx(np.percentile(values, 95), abs=1e-4)
    assert (found["mean"], found["max"]) == (2.0, 9.0)
