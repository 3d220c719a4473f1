"""`platen submit --wait` and `platen cancel`."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platen.core import records
from platen.core.errors import GateRefused, ProcessError, RunCancelled, UserError
from platen.core.records import failed
from platen.pipelines.backend import Backend, RefusedError, connect
from platen.pipelines.follow import cancel, follow
from platen.pipelines.package import Package, read_package
from platen.pipelines.run_pods import RunPods, find_pods
from platen.pipelines.submit import submit
from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import DROP, Look, State
from tests.pipelines.test_submit import an_order

TASKS = ("ingest", "gate", "notify")
OUT_OF_REACH = RunPods(None, "kubeflow", "a-run", TASKS)


@pytest.fixture
def package(compiled: Path) -> Package:
    return read_package(compiled, "content")


def started(backend: Backend, compiled: Path, run: str = "gs://b/runs") -> str:
    parameters = {"settings": "", "workspace": "gs://b/ws", "run": run}
    return submit(backend, an_order(compiled, parameters=parameters)).id


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("platen"), "propagate", True)
    caplog.set_level(logging.INFO, "platen")
    return caplog


def test_tasks_are_told_of_as_they_change(
    backend: Backend, state: State, compiled: Path, heard: pytest.LogCaptureFixture
) -> None:
    state.looks = [
        Look("PENDING"),
        Look("RUNNING", {"ingest-driver": "RUNNING"}),
        Look("RUNNING", {"ingest": "RUNNING"}),
        Look("RUNNING", {"ingest": "RUNNING", "executor": "RUNNING"}),
        Look("RUNNING", {"ingest": "SUCCEEDED", "gate": "RUNNING"}),
        Look("SUCCEEDED", {"ingest": "SUCCEEDED", "gate": "SUCCEEDED"}),
    ]
    follow(backend, started(backend, compiled), OUT_OF_REACH, pause=0.01)
    assert told(heard) == ["ingest: running", "ingest: succeeded", "gate: running", "gate: succeeded"]


def test_a_failed_run_ends_as_its_stage_did(backend: Backend, state: State, compiled: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "runs")  # as it looks where the volume is mounted here too
    run_id = started(backend, compiled, run)
    records.save(f"{run}/{run_id}", failed("gate", time.time(), GateRefused("held_out_loss 3 is above 2")))
    state.runs[run_id]["looks"] = [Look("FAILED", {"gate": "FAILED"})]
    with pytest.raises(UserError, match="gate: held_out_loss 3 is above 2") as caught:
        follow(backend, run_id, OUT_OF_REACH, pause=0.01)
    assert caught.value.exit_code == 2


def test_a_success_with_a_stage_that_recorded_a_failure_is_none(
    backend: Backend, state: State, compiled: Path, tmp_path: Path
) -> None:
    run_id = started(backend, compiled, str(tmp_path / "runs"))
    records.save(f"{tmp_path}/runs/{run_id}", failed("gate", time.time(), GateRefused("held_out_loss 3 is above 2")))
    state.runs[run_id]["looks"] = [Look("SUCCEEDED", {"gate": "SUCCEEDED"})]
    with pytest.raises(GateRefused, match="held_out_loss 3 is above 2"):
        follow(backend, run_id, OUT_OF_REACH, pause=0.01)


def test_without_records_and_kubernetes_the_command_that_shows_it_is_told(
    backend: Backend, state: State, compiled: Path
) -> None:
    state.looks = [Look("FAILED", {"ingest": "SUCCEEDED", "gate": "FAILED"})]
    run_id = started(backend, compiled, "/workspace/runs")
    words = (
        r"^gate failed without leaving a record; this shows how: "
        rf"kubectl describe workflows,pods --namespace kubeflow --selector pipeline/runid={run_id}$"
    )
    with pytest.raises(ProcessError, match=words) as caught:
        follow(backend, run_id, find_pods("kubeflow", run_id, TASKS), pause=0.01)
    assert caught.value.exit_code == 1


def test_a_run_that_failed_before_any_task_is_reported(backend: Backend, state: State, compiled: Path) -> None:
    state.looks = [Look("FAILED")]
    with pytest.raises(ProcessError, match=r"^a task failed without leaving a record"):
        follow(backend, started(backend, compiled, "/workspace/runs"), OUT_OF_REACH, pause=0.01)


def test_a_cancelled_run_is_reported_as_cancelled_and_by_whom(
    backend: Backend, state: State, compiled: Path, tmp_path: Path
) -> None:
    """The backend says FAILED of it; CANCELING is in the history of its states alone."""
    state.looks = [Look("RUNNING", {"ingest": "RUNNING"})]
    run_id = started(backend, compiled, str(tmp_path))
    (tmp_path / run_id).mkdir()
    assert cancel(backend, run_id) == "RUNNING"
    with pytest.raises(RunCancelled, match=rf"^the run was cancelled by \S+@{socket.gethostname()}$") as caught:
        follow(backend, run_id, OUT_OF_REACH, pause=0.01)
    assert caught.value.exit_code == 3
    assert state.runs[run_id]["state"] == "FAILED"


def test_a_run_that_somebody_else_cancelled_is_no_failure_either(
    backend: Backend, state: State, compiled: Path
) -> None:
    state.looks = [Look("RUNNING"), Look("CANCELING", {"ingest": "RUNNING"}), Look("FAILED", {"ingest": "FAILED"})]
    with pytest.raises(RunCancelled, match=r"^the run was cancelled$"):
        follow(backend, started(backend, compiled), OUT_OF_REACH, pause=0.01)


def test_a_cancel_that_was_refused_leaves_no_word(
    backend: Backend, state: State, compiled: Path, tmp_path: Path
) -> None:
    run_id = started(backend, compiled, str(tmp_path))
    (tmp_path / run_id).mkdir()
    state.fail("POST /runs/.*:terminate", 403)
    with pytest.raises(RefusedError):
        cancel(backend, run_id)
    assert list((tmp_path / run_id).iterdir()) == []


def test_a_run_that_cannot_be_ended_any_more_is_told(backend: Backend, state: State, compiled: Path) -> None:
    """Its Workflow was deleted: the backend answers 500 once, and 400 from then on."""
    run_id = started(backend, compiled)
    state.fail("POST /runs/.*:terminate", 500)
    state.fail("POST /runs/.*:terminate", 400)
    with pytest.raises(RefusedError, match=r"cannot be ended: .* Its Workflow is gone, .*platen reap"):
        cancel(backend, run_id)


@pytest.mark.parametrize("how", [503, DROP])
def test_an_outage_on_the_way_is_waited_out(backend: Backend, state: State, compiled: Path, how: int | str) -> None:
    state.looks = [Look("RUNNING"), Look("SUCCEEDED")]
    run_id = started(backend, compiled)
    state.fail("GET /runs/.*", how, times=1 if how != DROP else 4)
    follow(backend, run_id, OUT_OF_REACH, pause=0.01)


def test_a_token_that_expires_on_the_way_is_told(host: str, state: State, compiled: Path) -> None:
    backend = connect(host)
    run_id = started(backend, compiled)
    state.token = "another"
    with pytest.raises(RefusedError, match="status 401"):
        follow(backend, run_id, OUT_OF_REACH, pause=0.01)


def test_the_command_ends_with_the_code_of_the_failed_stage(
    submit: Command, state: State, settings: Path, tmp_path: Path, host: str, compiled: Path
) -> None:
    state.looks = [Look("FAILED", {"gate": "FAILED"})]
    ended = submit("--wait")
    assert (ended.code, ended.out.count("\n")) == (1, 1)
    assert "error: gate failed without leaving a record; this shows how: kubectl describe workflows,pods" in ended.err


def test_the_command_ends_with_a_code_of_its_own_for_a_cancelled_run(submit: Command, state: State) -> None:
    state.looks = [Look("RUNNING"), Look("CANCELING"), Look("FAILED")]
    ended = submit("--wait")
    assert ended.code == 3
    assert "error: the run was cancelled" in ended.err


def test_cancel_ends_a_run(platen: Command, submit: Command, state: State, host: str) -> None:
    submit()
    run_id = next(iter(state.runs))
    assert platen("cancel", run_id, "--host", host).out == f"{run_id}: is being cancelled (pending)\n"
    assert state.terminated == [run_id]
    assert platen("cancel", run_id, "--host", host).out == f"{run_id}: is being cancelled (canceling)\n"
    assert platen("cancel", run_id, "--host", host).out == f"{run_id}: had already ended (failed)\n"
    assert state.terminated == [run_id]


def test_cancel_of_no_run_is_told(platen: Command, host: str) -> None:
    ended = platen("cancel", "22222222-2222-2222-2222-222222222222", "--host", host)
    assert ended.code == 2
    assert "has no such run. Accepted: the id that submit printed" in ended.err


def test_ctrl_c_leaves_the_run_and_says_how_to_end_it(
    state: State, host: str, compiled: Path, settings: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    state.looks = [Look("RUNNING", {"ingest": "RUNNING"})]
    command = [sys.executable, "-m", "platen.cli", "submit", "--wait", "--host", host]
    command += ["--settings", str(settings), "--compiled", str(compiled)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(home)},
        # Who starts the tests in the background has them ignore SIGINT, and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not state.made("GET", "/runs/[0-9a-f-]+"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    (run_id,) = state.runs
    assert process.returncode == 130
    assert f"the run continues. `platen cancel {run_id}` ends it" in err
    assert "Traceback" not in err
    assert state.terminated == []
    assert list(home.iterdir()) == []  # kfp.Client can leave a file there
