from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.monitoring import Captions, LimitOutcome, MonitoringReport, Prompts, TrafficCounts
from platen.core.errors import CorruptError
from tests.committed import commit

NUMBERS = st.floats(-1e9, 1e9)
OUTCOMES = st.builds(
    LimitOutcome,
    value=NUMBERS | st.just("insufficient data"),
    interval=st.none() | st.tuples(NUMBERS, NUMBERS),
    bound=st.none() | NUMBERS,
    limit=NUMBERS,
)
LATENCIES = st.just("insufficient data") | st.dictionaries(st.text(), NUMBERS, min_size=1)
REPORTS = st.builds(MonitoringReport, rules=st.lists(OUTCOMES), latency_seconds=LATENCIES)
QUIET = MonitoringReport(
    verdict="keep",
    reasons=[],
    rules=[],
    model="a" * 64,
    traffic=TrafficCounts(
        requests=0, pictures=0, by_status={}, unreadable_lines=0, ignored=0, older=0, first=None, last=None
    ),
    latency_seconds="insufficient data",
    prompts=Prompts(count=0, distinct=0, words_median="insufficient data", words_max="insufficient data"),
    captions=Captions(words=0, vocabulary=0),
)


@given(REPORTS)
def test_a_report_is_read_as_it_was_written(report: MonitoringReport) -> None:
    assert MonitoringReport.parse(report.encode(), "report.json") == report


def changed(**changes: Any) -> str:
    values = json.loads(QUIET.encode()) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "Input should be an object"),
        (changed(verdict="promote"), "verdict: Input should be 'keep' or 'retrain'"),
        (changed(model=...), "model: Field required"),
        (changed(rules=[{"name": "drift", "value": "much"}]), "rules.0.value"),
        (changed(traffic={"requests": 1.5}), "traffic.requests: Input should be a valid integer"),
    ],
)
def test_what_is_no_report_is_refused_by_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    folder = commit(tmp_path, {"report.json": text})
    with pytest.raises(CorruptError) as raised:
        MonitoringReport.read(folder)
    assert str(raised.value).startswith(f"{folder.uri}/report.json: {says}")
