from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from platen.components.notify.notice import notify
from platen.core.errors import InputError
from tests.components.notify.a_run import run_chain


def test_run_folder_gets_summary_and_report(tmp_path: Path) -> None:
    text, workspace, run = run_chain(tmp_path)
    summary = notify(text, workspace, run, "SUCCEEDED")
    assert json.loads(Path(run, "summary.json").read_bytes()) == summary.model_dump(mode="json")
    assert summary.report == str(Path(run, "report.html"))
    assert Path(run, "report.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in Path(run).iterdir()) == ["report.html", "stages", "summary.json"]


def test_log_ends_with_the_outcome(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, workspace, run = run_chain(tmp_path, "clean_text", InputError("/data: no such folder"))
    caplog.set_level("INFO")
    notify(text, workspace, run, "FAILED", "Task exit-handler-1 failed.")
    lines = [record.getMessage() for record in caplog.records]
    assert "The run failed in clean_text: /data: no such folder" in lines
    assert lines[-1] == f"report: {run}/report.html"
    assert all("\n" not in line for line in lines)


def test_report_that_cannot_be_written_does_not_hide_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, workspace, run = run_chain(tmp_path, "ingest", InputError("/data: no such folder"))
    Path(run, "report.html").mkdir()
    summary = notify(text, workspace, run, "FAILED")
    assert summary.report is None
    assert json.loads(Path(run, "summary.json").read_bytes())["failure"]["reason"] == "/data: no such folder"
    assert "the report could not be created" in caplog.text


def test_unusable_settings_do_not_hide_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, workspace, run = run_chain(tmp_path, "ingest")
    summary = notify("notify:\n  webhok_file: x\n", workspace, run, "SUCCEEDED")
    assert summary.outcome == "succeeded"
    assert "notify continues with its default settings: notify.webhok_file: unknown setting" in caplog.text


def test_summary_that_cannot_be_written_is_raised_after_all_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text, workspace, run = run_chain(tmp_path, "ingest", InputError("/data: no such folder"))
    Path(run, "summary.json").mkdir()
    monkeypatch.setenv("PLATEN_WEBHOOK_URL", "no address")
    with pytest.raises(OSError, match=r"summary\.json"):
        notify(text, workspace, run, "FAILED")
    assert "webhook: the address is not a URL" in caplog.text or "webhook: the address must be" in caplog.text
    assert "The run failed in ingest: /data: no such folder" in caplog.text


def test_the_artifact_is_the_report_also_where_the_run_folder_does_not_take_it(tmp_path: Path) -> None:
    text, workspace, run = run_chain(tmp_path, "ingest")
    Path(run, "report.html").mkdir()
    artifact = tmp_path / "task" / "report"
    summary = notify(text, workspace, run, "SUCCEEDED", artifact=str(artifact))
    assert (summary.outcome, summary.report) == ("succeeded", None)
    assert artifact.read_text().startswith("<!DOCTYPE html>") and "What came in" in artifact.read_text()


def test_a_report_that_cannot_be_made_leaves_an_artifact_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, workspace, run = run_chain(tmp_path, "ingest")
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as in an image that lacks it
    artifact = tmp_path / "report"
    summary = notify(text, workspace, run, "SUCCEEDED", artifact=str(artifact))
    assert (summary.outcome, summary.report) == ("succeeded", None)
    page = artifact.read_text()
    assert "The report could not be created" in page and "ModuleNotFoundError: import of jinja2 halted" in page
    assert len(page) < 1000


def test_an_artifact_that_cannot_be_written_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text, workspace, run = run_chain(tmp_path, "ingest")
    summary = notify(text, workspace, run, "SUCCEEDED", artifact=str(tmp_path))
    assert summary.report == str(Path(run, "report.html"))
    assert "the report's artifact could not be created" in caplog.text
