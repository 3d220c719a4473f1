from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.decision import Decision, RuleOutcome
from platen.core.errors import CorruptError
from tests.committed import commit

NUMBERS = st.none() | st.floats(-1e9, 1e9)
DECISIONS = st.builds(Decision, rules=st.lists(st.builds(RuleOutcome, value=NUMBERS, bound=NUMBERS, limit=NUMBERS)))
PROMOTED = Decision(verdict="promote", reasons=[], model="a" * 64, report="b" * 64, champion=None, rules=[])


@given(DECISIONS)
def test_a_decision_is_read_as_it_was_written(decision: Decision) -> None:
    assert Decision.parse(decision.encode(), "decision.json") == decision


def changed(**changes: Any) -> str:
    values = json.loads(PROMOTED.encode()) | changes
    return json.dumps({name: value for name, value in values.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON"),
        (changed(verdict=...), "verdict: Field required"),
        (changed(verdict="maybe"), "verdict: Input should be 'promote' or 'reject'"),
        (changed(reasons="none"), "reasons: Input should be a valid array"),
        (changed(champion={"model": "a"}), "champion.report: Field required"),
        (changed(rules=[{"name": "fid"}]), "rules.0.metric: Field required"),
    ],
)
def test_what_is_no_decision_is_refused_by_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    folder = commit(tmp_path, {"decision.json": text})
    with pytest.raises(CorruptError) as raised:
        Decision.read(folder)
    assert str(raised.value).startswith(f"{folder.uri}/decision.json: {says}")
