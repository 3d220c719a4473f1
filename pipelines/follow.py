"""Following a run on Kubeflow Pipelines to its end, and ending it early."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from platen.core import records
from platen.core.errors import ClusterError, InputError, PlatenError, ProcessError
from platen.core.outcome import cancelled_by, decide, record_cancellation, run_witness
from platen.core.records import Record
from platen.core.storage import join
from platen.core.telemetry import log
from platen.pipelines.backend import Backend, RefusedError
from platen.pipelines.run_pods import RunPods
from platen.pipelines.submit import ENDED

REPORTED_EVERY = 300.0  # seconds after which it is logged again what is running
START_SECONDS = 900.0  # seconds that something may keep a task from starting


def follow(
    backend: Backend,
    run_id: str,
    pods: RunPods,
    start_seconds: float = START_SECONDS,
    pause: float = 5.0,
) -> None:
    """Log what a run's tasks do until it ends.

    Args:
        backend: Where it runs.
        run_id: Which run.
        pods: The run's pods, which tell what Kubeflow Pipelines does not, and its tasks that are worth reporting.
        start_seconds: How long something may keep a task from starting; then the run is cancelled.
        pause: Seconds between two looks.

    Raises:
        PlatenError: What the failed stage raised.
        RunCancelled: Somebody ended the run.
        ProcessError: A task failed without leaving a record.
        ClusterError: A task cannot start; the run was cancelled.
    """
    seen: dict[str, str] = {}
    reported = time.monotonic()
    starts = Starts(pods, start_seconds)
    while True:
        run = look(backend, run_id)
        states = _states(run, pods.tasks)
        changed = {name: state for name, state in states.items() if seen.get(name) != state}
        for name, state in changed.items():
            log.info("%s: %s", name, state.lower(), extra={"data": {"task": name, "state": state}})
        if run.state in ENDED:
            return _judge(run, states, pods)
        stuck = starts.look()
        if stuck is not None:
            cancel(backend, run_id, stuck)
            raise ClusterError(f"{stuck}. The run was cancelled")
        if changed:
            reported = time.monotonic()
        elif time.monotonic() - reported > REPORTED_EVERY:
            reported = time.monotonic()
            hint = "" if pods.seen else f". If nothing happens, this shows why: {pods.command()}"
            log.info("still %s%s", _running(states, str(run.state)), hint)
        seen = states
        time.sleep(pause)


@dataclass
class Starts:
    """The tasks that something keeps from starting, and since when."""

    pods: RunPods
    seconds: float
    since: dict[str, float] = field(default_factory=dict)
    reported: dict[str, str] = field(default_factory=dict)

    def look(self) -> str | None:
        """Log what keeps tasks from starting, once for each reason; return what has done so for too long."""
        waiting = self.pods.waiting()
        now = time.monotonic()
        self.since = {task: self.since.get(task, now) for task in waiting}
        for task, why in waiting.items():
            if self.reported.get(task) != why:
                self.reported[task] = why
                log.warning("%s does not start: %s", task, why)
            if now - self.since[task] >= self.seconds:
                return f"{task} did not start within {self.seconds:g} s (--start-seconds): {why}"
        return None


def look(backend: Backend, run_id: str) -> Any:
    """A run as it is now. Raises InputError where there is none, ClusterError where something else answers."""
    try:
        run = backend.call(backend.client.runs.run_service_get_run, run_id)
    except RefusedError as error:
        if error.status == 404:
            raise InputError(
                f"{run_id}: {backend.host} has no such run. Accepted: the id that submit printed"
            ) from None
        raise
    if run.run_id is None:
        raise ClusterError(f"{backend.host}: what answers is not Kubeflow Pipelines; has the token expired?")
    return run


def cancel(backend: Backend, run_id: str, reason: str = "") -> str:
    """Have a run ended, and leave word of who did it (and why) in its folder; returns its state before.

    Raises RefusedError where the backend cannot end it any more.
    """
    run = look(backend, run_id)
    if run.state in (*ENDED, "CANCELING"):  # the backend refuses to end a run twice
        return str(run.state)
    try:
        backend.call(backend.client.runs.run_service_terminate_run, run_id)
    except RefusedError as error:
        if error.status != 400:
            raise
        raise RefusedError(
            400,
            f"run {run_id} cannot be ended: {error}. Its Workflow is gone, so none of its steps runs; "
            "a training job that it left is deleted by the reaper (platen reap)",
        ) from None
    folder = _folder(run)
    try:
        if folder is not None:
            record_cancellation(folder, reason)
    except (PlatenError, OSError) as error:
        log.debug("who cancelled the run could not be recorded: %s", error)
    return str(run.state)


def _details(run: Any) -> list[Any]:
    return (run.run_details and run.run_details.task_details) or []


def _states(run: Any, tasks: Collection[str]) -> dict[str, str]:
    details = [detail for detail in _details(run) if detail.display_name in tasks and detail.state is not None]
    return {detail.display_name: str(detail.state) for detail in details}


def _running(states: Mapping[str, str], state: str) -> str:
    names = [name for name, found in states.items() if found == "RUNNING"]
    return f"running: {', '.join(names)}" if names else state.lower()


def _judge(run: Any, states: Mapping[str, str], pods: RunPods) -> None:
    """Raise why a run that has ended did not succeed, as its stages, the backend and Kubernetes tell it."""
    recorded, by = _records(_folder(run))
    witness = run_witness(run.state, [str(entry.state) for entry in run.state_history or []])
    outcome = decide(recorded, (), witness, by, str(run.state))
    if outcome.error is None:
        return
    if outcome.recorded or outcome.status == "cancelled":
        raise outcome.named_error() or outcome.error
    ends = pods.failed()
    names = [name for name, state in states.items() if state == "FAILED"] or ["a task"]
    if not ends:
        raise ProcessError(f"{', '.join(names)} failed without leaving a record; this shows how: {pods.command()}")
    shown = {name: ends[name] for name in names if name in ends} or ends
    raise ProcessError("; ".join(f"{name} failed: {words}" for name, words in shown.items()))


def _folder(run: Any) -> str | None:
    """Return the folder of a run's records; None where its parameters do not name one."""
    folder = ((run.runtime_config and run.runtime_config.parameters) or {}).get("run")
    return join(folder, run.run_id) if isinstance(folder, str) else None


def _records(folder: str | None) -> tuple[list[Record], str | None]:
    """Return the records of a run's stages and who cancelled it; nothing where this machine cannot read the folder."""
    try:
        return (records.load(folder), cancelled_by(folder)) if folder else ([], None)
    except (PlatenError, OSError) as error:
        log.debug("%s: no records: %s", folder, error)
        return [], None
