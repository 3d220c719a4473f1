"""`platen submit --wait` and `platen cancel`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platen import records
from platen.errors import GateRefused, ProcessError, UserError
from platen.pipelines.backend import Backend, RefusedError, connect
from platen.pipelines.follow import follow
from platen.pipelines.package import Package, read_package
from platen.pipelines.submit import submit
from platen.records import failed
from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import DROP, Look, State
from tests.pipelines.test_submit import an_order

TASKS = ("ingest", "gate", "notify")


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
    follow(backend, started(backend, compiled), TASKS, pause=0.01)
    assert told(heard) == ["ingest: running", "ingest: succeeded", "gate: running", "gate: succeeded"]


def test_a_failed_run_ends_as_its_stage_did(backend: Backend, state: State, compiled: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "runs")  # as it looks where the volume is mounted here too
    run_id = started(backend, compiled, run)
    records.save(f"{run}/{run_id}", failed("gate", time.time(), GateRefused("held_out_loss 3 is above 2")))
    state.runs[run_id]["looks"] = [Look("FAILED", {"gate": "FAILED"}, "workflow failed")]
    with pytest.raises(UserError, match="gate: held_out_loss 3 is above 2") as caught:
        follow(backend, run_id, TASKS, pause=0.01)
    assert caught.value.exit_code == 2


def test_a_run_whose_records_are_out_of_reach_names_the_task(backend: Backend, state: State, compiled: Path) -> None:
    state.looks = [Look("FAILED", {"ingest": "SUCCEEDED", "gate": "FAILED"}, "pod was OOMKilled")]
    with pytest.raises(ProcessError, match=r"^gate failed: pod was OOMKilled$") as caught:
        follow(backend, started(backend, compiled, "/workspace/runs"), TASKS, pause=0.01)
    assert caught.value.exit_code == 1


def test_a_run_that_failed_before_any_task_is_told(backend: Backend, state: State, compiled: Path) -> None:
    state.looks = [Look("FAILED")]
    with pytest.raises(ProcessError, match=r"^a task failed: its log says why$"):
        follow(backend, started(backend, compiled, "/workspace/runs"), TASKS, pause=0.01)


def test_a_cancelled_run_is_not_waited_for_without_end(backend: Backend, state: State, compiled: Path) -> None:
    state.looks = [Look("CANCELING", {"ingest": "RUNNING"}), Look("CANCELED", {"ingest": "FAILED"})]
    with pytest.raises(ProcessError, match="was cancelled"):
        follow(backend, started(backend, compiled), TASKS, pause=0.01)


@pytest.mark.parametrize("how", [503, DROP])
def test_an_outage_on_the_way_is_waited_out(backend: Backend, state: State, compiled: Path, how: int | str) -> None:
    state.looks = [Look("RUNNING"), Look("SUCCEEDED")]
    run_id = started(backend, compiled)
    state.fail("GET /runs/.*", how, times=1 if how != DROP else 4)
    follow(backend, run_id, TASKS, pause=0.01)


def test_a_token_that_expires_on_the_way_is_told(host: str, state: State, compiled: Path) -> None:
    backend = connect(host)
    run_id = started(backend, compiled)
    state.token = "another"
    with pytest.raises(RefusedError, match="status 401"):
        follow(backend, run_id, TASKS, pause=0.01)


def test_the_command_ends_with_the_code_of_the_failed_stage(
    submit: Command, state: State, settings: Path, tmp_path: Path, host: str, compiled: Path
) -> None:
    state.looks = [Look("FAILED", {"gate": "FAILED"}, "workflow failed")]
    ended = submit("--wait")
    assert (ended.code, ended.out.count("\n")) == (1, 1)
    assert "error: gate failed: workflow failed" in ended.err


def test_cancel_ends_a_run(platen: Command, submit: Command, state: State, host: str) -> None:
    submit()
    run_id = next(iter(state.runs))
    assert platen("cancel", run_id, "--host", host).out == f"{run_id}: is being ended (pending)\n"
    assert state.terminated == [run_id]
    assert platen("cancel", run_id, "--host", host).out == f"{run_id}: had ended before (canceled)\n"
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
    assert f"the run goes on. `platen cancel {run_id}` ends it" in err
    assert "Traceback" not in err
    assert state.terminated == []
    assert list(home.iterdir()) == []  # kfp.Client can leave a file there


def test_what_is_told_of_is_what_runs_something(package: Package) -> None:
    assert {"ingest", "clean-text", "train", "notify"} <= package.tasks
    assert "exit-handler-1" not in package.tasks
    assert len(package.tasks) == 14
