"""Deciding how a run ended: from the records of its stages and the graph that was to run; the runner is one witness.

A runner's state alone cannot be trusted. Kubeflow Pipelines 2.17 hands its exit handler ML Metadata's state of the
graph: COMPLETE after a success, but RUNNING after a success in which an `If` was not taken, and RUNNING as well when
the run was cancelled, or when a task died so suddenly that its launcher reported nothing; the run's Workflow tells
these two apart. Its API reports a cancelled run as FAILED; only the history of its states says CANCELING.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.core.errors import PlatenError, ProcessError, RunCancelled, revive
from platen.core.records import Record
from platen.core.storage import is_local, join, store_for

CANCELLATION = "cancelled.json"  # in the run folder: who cancelled the run, and when
LIVE = "monitor_live"  # the stage whose verdict decides whether the stages after it run
SUCCEEDED = frozenset({"SUCCEEDED", "COMPLETE", "CACHED", "SKIPPED"})
FAILED = frozenset({"FAILED", "ERROR", "SYSTEM_ERROR"})
CANCELLED = frozenset({"CANCELING", "CANCELED", "CANCELLED"})
UNFINISHED = "RUNNING"  # no task failed, and yet the graph is not complete


class Witness(Enum):
    """What the runner says of a run's end; UNCLEAR where it may mean a success as well as a failure."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: succeeded, failed or cancelled.
        stage: The stage that failed; of a cancelled run the first that had not ended. None where nothing names one.
        error: Why it did not succeed; None where it did.
        type: The class of the error as the stage raised it, also one that is not Platen's.
        recorded: Whether the error is a stage's own, and not concluded from what is missing.
    """

    status: Literal["succeeded", "failed", "cancelled"]
    stage: str | None = None
    error: PlatenError | None = None
    type: str = ""
    recorded: bool = False

    def named_error(self) -> PlatenError | None:
        """Return the error with the stage that raised it in front."""
        if self.error is None or not self.recorded:
            return self.error
        return revive(type(self.error).__name__, f"{self.stage}: {self.error}")


class Cancellation(BaseModel):
    """Who cancelled a run (user@host), when (ISO 8601), and why, if a reason was given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    at: str
    reason: str = ""


def decide(
    records: Sequence[Record], expected: Collection[str], witness: Witness, by: str | None = None, state: str = ""
) -> Outcome:
    """Decide how a run ended.

    A cancellation that is certain comes first: what stages say after it is its consequence. Then a stage's own record
    of a failure, whatever the runner says. Without either, a run has succeeded where every stage that was to run left
    its record, or where the runner is certain; an unclear state turns nothing into a success or a failure.

    Args:
        records: Of the stages, in the order in which they started.
        expected: The stages that were to run; empty where the graph is not known.
        witness: What the runner says.
        by: Who cancelled the run, if known.
        state: The runner's own word, for the message.
    """
    failed = next((record for record in records if record.error is not None), None)
    done = {record.name for record in records if record.status == "done"}
    missing = [name for name in expected if name not in done]
    by_hand = by is not None and missing and failed is None and witness is not Witness.FAILED
    if witness is Witness.CANCELLED or by_hand:
        return _cancelled(failed.name if failed else next(iter(missing), None), by)
    if failed is not None and failed.error is not None:
        error = revive(failed.error.type, failed.error.message)
        return Outcome("failed", failed.name, error, failed.error.type, recorded=True)
    if witness is Witness.SUCCEEDED or (not missing and witness is not Witness.FAILED):
        return Outcome("succeeded")
    if witness is Witness.UNFINISHED:
        return _cancelled(missing[0], by)
    return _unexplained(missing, state)


def _cancelled(stage: str | None, by: str | None) -> Outcome:
    message = "the run was cancelled" + (f" by {by}" if by else "") + (f" before {stage} had ended" if stage else "")
    return Outcome("cancelled", stage, RunCancelled(message), RunCancelled.__name__)


def _unexplained(missing: Sequence[str], state: str) -> Outcome:
    """The outcome of a run that failed, and no stage says why: the first stage without a record is where it ended."""
    if missing:
        what = f"{missing[0]} left no record: it was killed (out of memory, evicted) or could not start"
    else:
        what = "no stage recorded an error: one was killed (out of memory, evicted) or could not start"
    error = ProcessError(f"{what}. The runner's state of the run: {state or 'none'}")
    return Outcome("failed", missing[0] if missing else None, error, type=state or "FAILED")


def exit_handler_witness(state: str | None) -> Witness:
    """Read the state that a KFP exit handler is given (PipelineTaskFinalStatus.state)."""
    if state == UNFINISHED:
        return Witness.UNFINISHED
    return _witness(state)


def run_witness(state: str | None, history: Sequence[str]) -> Witness:
    """Read the state of a run that has ended, and the states before it, as KFP's API reports them."""
    if state not in SUCCEEDED and CANCELLED.intersection(history):
        return Witness.CANCELLED
    return _witness(state)


def _witness(state: str | None) -> Witness:
    for states, witness in ((SUCCEEDED, Witness.SUCCEEDED), (FAILED, Witness.FAILED), (CANCELLED, Witness.CANCELLED)):
        if state in states:
            return witness
    return Witness.UNCLEAR


def expected_stages(graph: Sequence[str], verdict: str | None, records: Sequence[Record]) -> list[str]:
    """Return the stages of a graph that were to run: those after LIVE only where its verdict was `retrain`.

    Where the verdict cannot be read, a record of a later stage says that they were.
    """
    if LIVE not in graph or verdict == "retrain":
        return list(graph)
    first, rest = graph[: graph.index(LIVE) + 1], graph[graph.index(LIVE) + 1 :]
    if verdict is None and any(record.name in rest for record in records):
        return list(graph)
    return list(first)


def record_cancellation(run: str, reason: str = "") -> None:
    """Leave word in the run folder that this user cancels the run; nothing where the folder is not seen from here."""
    if is_local(run) and not Path(run).is_dir():
        return
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a pod's user has no name
        user = f"user {os.getuid()}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    cancellation = Cancellation(by=f"{user}@{socket.gethostname()}", at=now, reason=reason)
    store_for(run).write(join(run, CANCELLATION), cancellation.model_dump_json(indent=1).encode())


def cancelled_by(run: str) -> str | None:
    """Return who cancelled a run, and why if told, as `platen cancel` recorded it; None where there is no record."""
    try:
        data = store_for(run).read(join(run, CANCELLATION))
        found = Cancellation.model_validate_json(data) if data is not None else None
    except (PlatenError, OSError, ValidationError):
        return None
    if found is None:
        return None
    return f"{found.by} ({found.reason})" if found.reason else found.by
