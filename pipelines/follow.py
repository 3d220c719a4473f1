"""Following a run on Kubeflow Pipelines to its end, and ending it early."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from platen.errors import ClusterError, InputError, PlatenError, ProcessError
from platen.pipelines.backend import Backend, RefusedError
from platen.pipelines.local import failure
from platen.pipelines.submit import ENDED
from platen.storage import join
from platen.telemetry import log

SAID_EVERY = 300.0  # seconds after which it is said again what is running


def follow(backend: Backend, run_id: str, tasks: Collection[str], pause: float = 5.0) -> None:
    """Tell what a run's tasks do until it ends.

    Args:
        backend: Where it runs.
        run_id: Which run.
        tasks: The tasks worth telling of: KFP lists its own drivers and graphs among them.
        pause: Seconds between two looks.

    Raises:
        PlatenError: What the failed stage raised; ProcessError where it died without a record, or was cancelled.
    """
    seen: dict[str, str] = {}
    said = time.monotonic()
    while True:
        run = look(backend, run_id)
        states = _states(run, tasks)
        changed = {name: state for name, state in states.items() if seen.get(name) != state}
        for name, state in changed.items():
            log.info("%s: %s", name, state.lower(), extra={"data": {"task": name, "state": state}})
        if run.state in ENDED:
            return _judge(run, states)
        if changed:
            said = time.monotonic()
        elif time.monotonic() - said > SAID_EVERY:
            said = time.monotonic()
            log.info("still %s", _running(states, str(run.state)))
        seen = states
        time.sleep(pause)


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


def cancel(backend: Backend, run_id: str) -> str:
    """Have a run ended; its state before."""
    state = str(look(backend, run_id).state)
    if state not in ENDED:
        backend.call(backend.client.runs.run_service_terminate_run, run_id)
    return state


def _details(run: Any) -> list[Any]:
    return (run.run_details and run.run_details.task_details) or []


def _states(run: Any, tasks: Collection[str]) -> dict[str, str]:
    details = [detail for detail in _details(run) if detail.display_name in tasks and detail.state is not None]
    return {detail.display_name: str(detail.state) for detail in details}


def _running(states: Mapping[str, str], state: str) -> str:
    names = [name for name, found in states.items() if found == "RUNNING"]
    return f"running: {', '.join(names)}" if names else state.lower()


def _judge(run: Any, states: Mapping[str, str]) -> None:
    if run.state in ("SUCCEEDED", "SKIPPED"):
        return
    if run.state == "CANCELED":
        raise ProcessError(f"run {run.run_id} was cancelled")
    raise _recorded(run) or _told(run, states)


def _recorded(run: Any) -> PlatenError | None:
    """The error as the stage left it in the run's folder, where this machine can read that."""
    folder = ((run.runtime_config and run.runtime_config.parameters) or {}).get("run")
    if not isinstance(folder, str):
        return None
    try:
        return failure(join(folder, run.run_id))
    except (PlatenError, OSError):
        return None


def _told(run: Any, states: Mapping[str, str]) -> PlatenError:
    """The error as Kubeflow Pipelines knows it: hardly more than which task failed."""
    failed = [name for name, state in states.items() if state == "FAILED"]
    words = [detail.error.message for detail in [*_details(run), run] if detail.error and detail.error.message]
    name = ", ".join(failed) or "a task"
    return ProcessError(f"{name} failed: {'; '.join(dict.fromkeys(words)) or 'its log says why'}")
