"""How a run ended: every state of a runner against every state of the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.errors import GateRefused, InputError, ProcessError, RunCancelled
from platen.core.outcome import (
    CANCELLATION,
    LIVE,
    Outcome,
    Witness,
    cancelled_by,
    decide,
    exit_handler_witness,
    expected_stages,
    record_cancellation,
    run_witness,
)
from platen.core.records import Record, failed

GRAPH = ["ingest", "merge", "train", "gate"]
STATES = st.sampled_from(["RUNNING", "PENDING", "UNKNOWN", "NEW", "STATE_UNSPECIFIED", "", None])


def done(*names: str) -> list[Record]:
    return [Record(name=name, status="done", started=at, seconds=1) for at, name in enumerate(names)]


def told(records: list[Record], state: str | None, by: str | None = None) -> Outcome:
    return decide(records, GRAPH, exit_handler_witness(state), by, state or "")


@pytest.mark.parametrize("state", ["COMPLETE", "SUCCEEDED", "RUNNING", "CACHED", None, "a state of a later version"])
def test_a_run_whose_stages_all_left_their_record_has_succeeded(state: str | None) -> None:
    assert told(done(*GRAPH), state) == Outcome("succeeded")


@pytest.mark.parametrize("state", ["COMPLETE", "SUCCEEDED"])
def test_a_runner_that_is_certain_is_believed_where_records_are_missing(state: str) -> None:
    assert told([], state).status == "succeeded"


@pytest.mark.parametrize("state", ["FAILED", "COMPLETE", "SUCCEEDED", "RUNNING", None, "a state of a later version"])
def test_a_stage_that_recorded_its_failure_fails_the_run_whatever_the_runner_says(state: str | None) -> None:
    outcome = told([*done("ingest"), failed("merge", 2.0, InputError("/data: no images left"))], state)
    assert (outcome.status, outcome.stage, outcome.type, str(outcome.error)) == (
        "failed", "merge", "InputError", "/data: no images left",
    )  # fmt: skip
    assert isinstance(outcome.error, InputError) and outcome.recorded


@pytest.mark.parametrize("state", ["RUNNING", "CANCELED", "CANCELLED"])
def test_a_cancelled_run_is_neither_a_success_nor_a_failure(state: str) -> None:
    outcome = told(done("ingest", "merge"), state, by="jo@laptop")
    assert outcome.status == "cancelled" and isinstance(outcome.error, RunCancelled)
    assert outcome.error.exit_code == 3
    assert str(outcome.error) == "the run was cancelled by jo@laptop before train had ended"


def test_what_a_stage_says_because_its_run_was_cancelled_is_not_the_reason() -> None:
    outcome = told([*done("ingest", "merge"), failed("train", 9.0, ProcessError("a rank died"))], "CANCELED")
    assert (outcome.status, str(outcome.error)) == ("cancelled", "the run was cancelled before train had ended")


def test_a_failure_before_the_cancellation_took_hold_stays_a_failure() -> None:
    assert told([failed("ingest", 1.0, GateRefused("no"))], "FAILED", by="jo@laptop").status == "failed"


def test_a_killed_stage_is_named_by_what_is_missing() -> None:
    outcome = told(done("ingest", "merge"), "FAILED")
    assert (outcome.status, outcome.stage) == ("failed", "train")
    assert str(outcome.error).startswith("train left no record: it was killed (out of memory, evicted)")


@given(st.sets(st.sampled_from(GRAPH)), STATES)
def test_an_unclear_state_makes_no_success_of_a_run_that_is_not_whole(names: set[str], state: str | None) -> None:
    whole = names == set(GRAPH)
    assert (told(done(*sorted(names)), state).status == "succeeded") == whole


@pytest.mark.parametrize(
    ("state", "history", "witness"),
    [
        ("SUCCEEDED", ["PENDING", "RUNNING", "SUCCEEDED"], Witness.SUCCEEDED),
        ("FAILED", ["PENDING", "RUNNING", "FAILED"], Witness.FAILED),
        ("FAILED", ["PENDING", "RUNNING", "CANCELING", "FAILED"], Witness.CANCELLED),
        ("SUCCEEDED", ["RUNNING", "CANCELING", "SUCCEEDED"], Witness.SUCCEEDED),
        ("CANCELED", [], Witness.CANCELLED),
        (None, [], Witness.UNCLEAR),
    ],
)
def test_the_api_reports_a_cancelled_run_as_failed(state: str | None, history: list[str], witness: Witness) -> None:
    assert run_witness(state, history) is witness


def test_stages_behind_a_verdict_are_expected_only_where_it_says_so() -> None:
    graph = [LIVE, *GRAPH]
    assert expected_stages(graph, "retrain", []) == graph
    assert expected_stages(graph, "keep", done(LIVE)) == expected_stages(graph, None, done(LIVE)) == [LIVE]
    assert expected_stages(graph, None, done(LIVE, "ingest")) == graph, "the verdict cannot be read, but they ran"
    assert expected_stages(GRAPH, None, []) == GRAPH


def test_a_task_that_died_without_a_word_is_not_cancelled_where_the_workflow_says_no() -> None:
    outcome = decide(done("ingest"), GRAPH, Witness.UNCLEAR, None, "RUNNING")
    assert (outcome.status, outcome.stage) == ("failed", "merge")
    assert decide(done(*GRAPH), GRAPH, Witness.UNCLEAR, None, "RUNNING").status == "succeeded"


def test_a_cancellation_does_not_explain_a_run_that_the_runner_calls_failed() -> None:
    assert decide(done("ingest"), GRAPH, Witness.FAILED, "jo@laptop", "FAILED").status == "failed"


def test_who_cancels_leaves_word_in_the_run_folder(tmp_path: Path) -> None:
    assert cancelled_by(str(tmp_path)) is None
    record_cancellation(str(tmp_path))
    by = json.loads((tmp_path / CANCELLATION).read_text())["by"]
    assert "@" in by and cancelled_by(str(tmp_path)) == by


def test_no_word_is_left_where_the_run_folder_is_not_seen(tmp_path: Path) -> None:
    record_cancellation(str(tmp_path / "workspace" / "runs" / "1"))
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_cancellation_is_none(tmp_path: Path) -> None:
    (tmp_path / CANCELLATION).write_text("{")
    assert cancelled_by(str(tmp_path)) is None
