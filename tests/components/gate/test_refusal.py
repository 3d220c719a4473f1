import json
import os
import subprocess
import sys

import pytest

from platen.components.gate.refusal import refuse_if_rejected
from platen.components.gate.stage import STAGE
from platen.core import records
from platen.core.component import write_reference
from platen.core.errors import GateRefused, InputError
from platen.core.records import run_recorded
from platen.core.stage import Result, open_folder

SETTINGS = "gate: {rules: [{metric: clip_score, direction: at_least, limit: %d}]}"

TASK = """
import sys
from types import SimpleNamespace as Artifact
from platen.components.gate.component import gate
settings, workspace, run, report, model, decision = sys.argv[1:]
gate.python_func(settings, workspace, run, *(Artifact(path=p, metadata={}) for p in (report, model, decision)))
"""


def test_a_rejection_becomes_a_failed_record_that_keeps_the_decision(tmp_path, evaluated, metric):
    run, inputs = str(tmp_path / "run"), evaluated("a", clip_score=metric(60.0))
    result = run_recorded(STAGE, SETTINGS % 70, inputs, str(tmp_path / "ws"), run)
    with pytest.raises(GateRefused, match=r"clip_score: 60 .* is below the limit 70") as refusal:
        refuse_if_rejected(result, run)
    (record,) = records.load(run)
    assert (record.status, record.uri, record.digest) == ("failed", result.folder.uri, result.folder.digest)
    assert record.error.model_dump() == {"type": "GateRefused", "message": str(refusal.value), "exit_code": 2}


def test_a_promotion_leaves_the_record_as_it_is(tmp_path, evaluated, metric):
    run, inputs = str(tmp_path / "run"), evaluated("a", clip_score=metric(60.0))
    result = run_recorded(STAGE, SETTINGS % 50, inputs, str(tmp_path / "ws"), run)
    refuse_if_rejected(result, run)
    (record,) = records.load(run)
    assert (record.status, record.error) == ("done", None)


def test_a_run_without_a_record_cannot_be_refused(tmp_path):
    with pytest.raises(InputError, match=r"stages/gate\.json: no record of gate"):
        records.refuse(str(tmp_path), "gate", GateRefused("no"))


@pytest.mark.parametrize(("limit", "code", "status"), [(70, 2, "failed"), (50, 0, "done")])
def test_the_task_ends_with_2_after_the_artifact_is_written(tmp_path, evaluated, metric, limit, code, status):
    paths = {}
    for name, uri in evaluated("a", clip_score=metric(60.0)).items():
        paths[name] = tmp_path / f"{name}.json"
        write_reference(Reference(paths[name]), Result(open_folder(uri), cached=False, seconds=0.0))
    run, decision = tmp_path / "run", tmp_path / "decision.json"
    arguments = [SETTINGS % limit, tmp_path / "ws", run, paths["report"], paths["model"], decision]
    words = tmp_path / "termination-log"
    words.touch()
    environment = {**os.environ, "PLATEN_TERMINATION_LOG": str(words)}
    command = [sys.executable, "-c", TASK, *map(str, arguments)]
    task = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert task.returncode == code, task.stderr
    assert json.loads(decision.read_text())["manifest"]["facts"]["verdict"] == ("reject" if code else "promote")
    assert records.load(str(run))[0].status == status
    reason = "the model is not promoted: clip_score: 60 (low end of its interval) is below the limit 70"
    assert (reason in task.stderr) is bool(code)
    told = records.load(str(run))[0].error
    assert words.read_text() == (f"gate: {told.message}" if code else "")  # what Kubernetes says of the container


class Reference:
    """An output artifact as KFP hands it in."""

    def __init__(self, path):
        self.path, self.metadata = str(path), {}
