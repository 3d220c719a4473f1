from __future__ import annotations

import json
import logging

import pytest

from platen.components.notify.summary import FailureSummary, Retraining, Summary
from platen.components.notify.table import lines_of, outcome_line, tell_run


def test_table_has_a_line_a_stage_and_the_outcome(summary: Summary) -> None:
    lines = lines_of(summary)
    assert sum(line.startswith(stage.name) for stage in summary.stages for line in lines) >= len(summary.stages)
    assert "The run succeeded: the model was promoted" in lines
    assert lines[-1] == "report: /runs/demo/report.html"


def test_cached_and_failed_stages_are_marked(summary: Summary) -> None:
    stages = [
        summary.stages[0].model_copy(update={"cached": True}),
        summary.stages[1].model_copy(update={"status": "failed"}),
        summary.stages[2],
    ]
    lines = lines_of(summary.model_copy(update={"stages": stages, "report": None}))
    assert lines[2].endswith("cached") and lines[3].endswith("failed")
    assert not lines[4].endswith(("cached", "failed"))
    assert "could not be created" in lines[-1]


def test_failure_is_one_sentence(summary: Summary) -> None:
    failure = FailureSummary(stage="ingest", type="InputError", reason="/data: no such folder", exit_code=2)
    assert (
        outcome_line(summary.model_copy(update={"failure": failure}))
        == "The run failed in ingest: /data: no such folder"
    )
    unknown = failure.model_copy(update={"stage": None})
    assert outcome_line(summary.model_copy(update={"failure": unknown})) == "The run failed: /data: no such folder"
    assert outcome_line(summary.model_copy(update={"verdict": None})) == "The run succeeded"


def test_collector_gets_one_line(
    summary: Summary, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "platen")
    monkeypatch.setenv("PLATEN_LOG", "json")
    tell_run(summary)
    assert [record.getMessage() for record in caplog.records] == ["run succeeded"]
    told = caplog.records[0].data["summary"]  # type: ignore[attr-defined]
    assert json.loads(json.dumps(told))["verdict"] == "promote"


def test_a_retraining_that_trained_nothing_is_warned_of(summary: Summary, caplog: pytest.LogCaptureFixture) -> None:
    retraining = Retraining(verdict="retrain", reasons=["drift 0.41 is above 0.2"], trained=False)
    idle = summary.model_copy(update={"retraining": retraining})
    tell_run(idle)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "nothing was retrained" in warning and "change data or settings" in warning
    assert outcome_line(idle).startswith("The run succeeded: the model was promoted; nothing was retrained")
    assert "The live model: retrain: drift 0.41 is above 0.2" in lines_of(idle)
    anew = idle.model_copy(update={"retraining": retraining.model_copy(update={"trained": True})})
    assert outcome_line(anew) == "The run succeeded: the model was promoted"
