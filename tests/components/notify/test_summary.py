from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.components.notify.evidence import Evidence, gather
from platen.components.notify.summary import Summary, load_truth, summarise
from platen.components.notify.table import outcome_line
from platen.core.errors import InputError
from tests.components.notify.a_run import CHAIN, PLANTED, REPAIRED, STEPS, run_chain

# Other tools read these. To add one, add it here too; to rename or remove one, raise schema_version.
KEYS = {
    "": [
        "dropped",
        "failure",
        "finished",
        "generated",
        "monitor",
        "outcome",
        "planted",
        "planted_repairs",
        "reasons",
        "release",
        "repaired",
        "report",
        "retraining",
        "run",
        "schema_version",
        "seconds",
        "stages",
        "started",
        "train",
        "verdict",
        "zero",
    ],
    "StageSummary": ["cached", "digest", "error", "name", "output", "seconds", "status"],
    "Failure": ["exit_code", "message", "type"],
    "FailureSummary": ["exit_code", "reason", "stage", "type"],
    "Zero": ["parameters", "parameters_per_rank", "stage", "world_size"],
    "Train": ["first_loss", "last_loss", "samples_per_second", "steps"],
    "Generated": ["count", "folder"],
    "Release": ["folder", "model"],
    "Monitoring": ["reasons", "verdict"],
    "Retraining": ["reasons", "trained", "verdict"],
}


def test_keys_are_the_ones_other_tools_read() -> None:
    schema = Summary.model_json_schema()
    parts = {"": schema, **schema["$defs"]}
    assert {name: sorted(part["properties"]) for name, part in parts.items()} == KEYS
    assert schema["additionalProperties"] is False


def test_whole_run_is_told(summary: Summary) -> None:
    assert summary.outcome == "succeeded" and summary.failure is None
    assert summary.planted == summary.dropped == PLANTED
    assert summary.planted_repairs == summary.repaired == REPAIRED
    assert summary.zero is not None and summary.zero.parameters == sum(summary.zero.parameters_per_rank)
    assert summary.train is not None and (summary.train.steps, summary.train.samples_per_second) == (STEPS, 187.3)


def test_outputs_can_be_found_from_anywhere(summary: Summary) -> None:
    assert [stage.name for stage in summary.stages][:3] == ["ingest", "clean_text", "clean_images"]
    assert all(stage.output and (Path(stage.output) / "manifest.json").is_file() for stage in summary.stages)
    assert summary.generated is not None
    rows = (Path(summary.generated.folder) / "index.jsonl").read_text().splitlines()
    assert len(rows) == summary.generated.count >= 48
    assert json.loads(rows[0]).keys() >= {"file", "prompt", "seed"}


def test_release_names_the_model_that_was_trained(summary: Summary) -> None:
    trained = next(stage for stage in summary.stages if stage.name == "train")
    assert summary.release is not None and summary.release.model == trained.digest
    assert summary.verdict == "promote"
    assert summary.monitor is not None and summary.monitor.verdict == "keep"


def test_failed_run_has_its_reason_and_nulls_for_what_it_did_not_get_to(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "merge", InputError("/data: no picture survives cleaning"))
    summary = summarise(gather(run, workspace), {}, "FAILED", "Task exit-handler-1 failed.", "report.html")
    assert summary.failure is not None
    assert (summary.failure.stage, summary.failure.exit_code) == ("merge", 2)
    assert summary.failure.reason == "/data: no picture survives cleaning"
    assert summary.stages[-1].status == "failed" and summary.stages[-1].output is None
    for part in ("planted", "dropped", "zero", "train", "verdict", "generated", "release", "monitor"):
        assert getattr(summary, part) is None, part


def test_refused_model_keeps_the_decision(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, settings={"gate": {"verdict": "reject"}})
    summary = summarise(gather(run, workspace), {}, "FAILED", "", "report.html")
    assert summary.verdict == "reject" and summary.reasons and "retrieval_accuracy" in summary.reasons[0]
    assert summary.failure is not None and summary.failure.type == "GateRefused"
    assert summary.stages[-1].name == "gate" and summary.stages[-1].output is not None
    assert summary.release is None


def test_killed_stage_leaves_no_record_but_the_run_failed(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "base")
    summary = summarise(gather(run, workspace), {}, "FAILED", "Task exit-handler-1 failed.", "report.html")
    assert summary.outcome == "failed" and summary.failure is not None
    assert summary.failure.stage is None
    assert "killed" in summary.failure.reason and "exit-handler-1" in summary.failure.reason


@pytest.mark.parametrize(
    ("state", "outcome"), [("SUCCEEDED", "succeeded"), ("CANCELLED", "cancelled"), (None, "succeeded")]
)
def test_state_of_the_pipeline_decides(evidence: Evidence, state: str | None, outcome: str) -> None:
    assert summarise(evidence, {}, state, "", "report.html").outcome == outcome


def test_cancelled_run_is_neither_failed_nor_succeeded(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "encode")
    summary = summarise(gather(run, workspace), {}, "RUNNING", "", "report.html", tuple(CHAIN))
    assert summary.outcome == "cancelled" and summary.failure is not None
    assert (summary.failure.stage, summary.failure.type, summary.failure.exit_code) == ("train", "RunCancelled", 3)
    assert outcome_line(summary) == "The run was cancelled before train had ended"


def test_retraining_that_was_not_needed_has_succeeded(tmp_path: Path) -> None:
    """As the backend reports a graph in which an `If` was not taken."""
    _, workspace, run = run_chain(tmp_path, watched="keep")
    evidence = gather(run, workspace)
    assert [record.name for record in evidence.records] == ["monitor_live"]
    assert summarise(evidence, {}, "RUNNING", "", "report.html", ("monitor_live", *CHAIN)).outcome == "succeeded"


def test_run_without_a_record_is_told_too(tmp_path: Path) -> None:
    summary = summarise(gather(str(tmp_path / "nothing"), str(tmp_path)), {}, "FAILED", "no pod", "report.html")
    assert summary.stages == [] and summary.started is None
    assert summary.outcome == "failed"


def test_second_run_is_cached(tmp_path: Path) -> None:
    for _ in range(2):
        _, workspace, run = run_chain(tmp_path, "clean_images")
    summary = summarise(gather(run, workspace), {}, None, "", "report.html")
    assert [stage.cached for stage in summary.stages] == [True, True, True]


def test_truth_that_cannot_be_read_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_truth(None) == {}
    assert load_truth(str(tmp_path / "missing.json")) == {}
    (tmp_path / "broken.json").write_text("{")
    assert load_truth(str(tmp_path / "broken.json")) == {}
    assert "missing.json: no such file" in caplog.text and "broken.json: not JSON" in caplog.text


def test_facts_of_another_shape_are_null(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "ingest")
    evidence = gather(run, workspace)
    folder = evidence.folders["ingest"]
    odd = folder.manifest.model_copy(update={"facts": {"zero": [3], "verdict": None, "steps": "many"}})
    folders = {"train": type(folder)(folder.uri, odd)}
    summary = summarise(Evidence(run, evidence.records, folders, ()), {}, None, "", "report.html")
    assert summary.zero is None and summary.train is None


def test_retraining_keeps_its_reason_beside_the_verdict_on_the_new_model(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, watched="retrain")
    summary = summarise(gather(run, workspace), {}, None, "", "report.html")
    assert summary.retraining is not None and summary.monitor is not None
    assert (summary.retraining.verdict, summary.monitor.verdict) == ("retrain", "keep")
    assert summary.retraining.reasons == ["drift 0.41 is above 0.2"]
    assert [stage.name for stage in summary.stages][:2] == ["monitor_live", "ingest"]


def test_retraining_says_whether_anything_was_trained(tmp_path: Path) -> None:
    told = []
    for last in ("base", "train", "train"):
        _, workspace, run = run_chain(tmp_path, last, watched="retrain")
        retraining = summarise(gather(run, workspace), {}, None, "", "report.html").retraining
        told.append(retraining and retraining.trained)
    assert told == [None, True, False]


def test_part_that_cannot_be_told_does_not_hide_the_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, workspace, run = run_chain(tmp_path, "generate", InputError("/prompts: no such file"))
    evidence = gather(run, workspace)
    (evidence.folders["train"].path / "run.json").write_text("{")
    summary = summarise(evidence, {"planted": "many"}, "FAILED", "", "report.html")
    assert summary.failure is not None and summary.failure.reason == "/prompts: no such file"
    assert summary.zero is None and summary.planted is None and summary.dropped == PLANTED
    assert (
        "summary: zero cannot be determined" in caplog.text and "summary: planted cannot be determined" in caplog.text
    )
