"""Who is to blame for a failed job, from the states that pods are found in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from platen.core.errors import CorruptError, ExportError, PlatenError, ProcessError
from platen.jobs.pods import (
    End,
    end_of,
    has_ended,
    has_started,
    lost_pod,
    overdue_pod,
    timestamp,
)
from platen.jobs.verdict import judge


def pod(phase: str, code: int | None = None, reason: str = "", pod_reason: str = "", finished: str = "") -> Any:
    """A pod as the API server tells it."""
    state = {} if code is None else {"terminated": {"exitCode": code, "reason": reason, "finishedAt": finished}}
    status = {"phase": phase, "containerStatuses": [{"name": "pytorch", "state": state}]}
    return {"metadata": {"name": "a-pod"}, "status": {**status, **({"reason": pod_reason} if pod_reason else {})}}


PODS = {
    "running": (pod("Running"), None),
    "done": (pod("Succeeded", 0, "Completed"), None),
    "killed": (pod("Failed", 137, "Error", finished="t"), End("a-pod", 137, "", "t")),
    "out of memory": (pod("Failed", 137, "OOMKilled"), End("a-pod", 137, "OOMKilled", "")),
    "evicted": (pod("Failed", 137, "Error", "Evicted"), End("a-pod", None, "Evicted", "")),
    "evicted before it began": (pod("Failed", pod_reason="Evicted"), End("a-pod", None, "Evicted", "")),
    "node lost": (pod("Failed", pod_reason="NodeLost"), End("a-pod", None, "NodeLost", "")),
    "ended, and its phase not yet told": (pod("Running", 2, "Error"), End("a-pod", 2, "", "")),
}


@pytest.mark.parametrize(("found", "end"), PODS.values(), ids=PODS)
def test_how_a_pod_ended(found: Any, end: End | None) -> None:
    assert end_of(found) == end


def test_a_pod_whose_init_container_failed_never_trained() -> None:
    waited = {"name": "init-pytorch", "state": {"terminated": {"exitCode": 1}}}
    found = {"metadata": {"name": "a-pod"}, "status": {"phase": "Failed", "initContainerStatuses": [waited]}}
    assert end_of(found) == End("a-pod", None, "init container init-pytorch, exit code 1", "")
    assert has_ended(found) and not has_started(found)


OUT_OF_TIME = End("m", 152, "", "1")
KILLED, PEER, STOPPED = End("w", 137, "", "2"), End("m", 141, "", "1"), End("m", 143, "", "1")
USERS, OURS, EVICTED = End("w", 2, "", "1"), End("w", 1, "", "1"), End("w", None, "Evicted", "")
CASES: dict[str, tuple[list[End], PlatenError | None, bool, str]] = {
    "killed, and its peer lost it": ([PEER, KILLED], None, False, "w"),
    "only the peer's end is known": ([PEER], None, False, "m"),
    "evicted": ([PEER, EVICTED], None, False, "w"),
    "stopped at a checkpoint": ([STOPPED, STOPPED], None, False, "m"),
    "its time budget was used up": ([OUT_OF_TIME, OUT_OF_TIME], None, True, "m"),
    "its time budget was used up, and a pod killed": ([OUT_OF_TIME, KILLED], None, False, "w"),
    "nothing is left of the pods": ([], None, False, ""),
    "the user's error": ([USERS, PEER], CorruptError("it is broken"), True, ""),
    "the user's error, its pod not yet ended": ([PEER], CorruptError("it is broken"), True, ""),
    "the user's error, and another pod killed": ([USERS, KILLED], CorruptError("it is broken"), True, ""),
    "our error": ([OURS, PEER], ExportError("not the same"), True, ""),
    "our error after another pod was killed": ([OURS, KILLED], ProcessError("what now"), False, "w"),
    "no words, an exit code below 128": ([OURS, PEER], None, True, "w"),
    "no words, and another pod was killed": ([End("m", 1, "", "1"), KILLED], None, False, "w"),
}


@pytest.mark.parametrize(("ends", "said", "final", "blamed"), CASES.values(), ids=CASES)
def test_what_starting_again_can_help(ends: list[End], said: PlatenError | None, final: bool, blamed: str) -> None:
    failure = judge(ends, said)
    assert (failure.final, failure.pod) == (final, blamed)
    assert failure.error is (said if final else None)
    assert failure.reason


def test_the_first_of_several_is_to_blame() -> None:
    failure = judge(
        [End("b", 139, "", "2026-01-01T00:00:02Z"), End("a", 137, "OOMKilled", "2026-01-01T00:00:01Z")], None
    )
    assert failure.reason == "pod a ended: exit code 137, OOMKilled"


def named(**uids: str) -> list[Any]:
    return [{"metadata": {"name": name, "uid": uid}} for name, uid in uids.items()]


def test_a_pod_that_was_replaced_or_is_gone_is_noticed() -> None:
    known: dict[str, Any] = {}
    assert lost_pod(known, named(master="1")) is None
    assert lost_pod(known, named(master="1", worker="2")) is None
    assert lost_pod(known, named(master="1", worker="3")) == named(worker="2")[0]
    assert lost_pod(known, named(master="1", worker="3")) is None
    assert lost_pod(known, named(worker="3")) == named(master="1")[0]


def deleted(seconds_ago: float, code: int | None = None) -> Any:
    found = pod("Running", code)
    found["metadata"]["deletionTimestamp"] = timestamp(time.time() - seconds_ago)
    return found


@pytest.mark.parametrize(
    ("found", "overdue"),
    [
        (lambda: deleted(60), True),
        (lambda: deleted(-20), False),
        (lambda: deleted(60, code=143), False),
        (lambda: pod("Running"), False),
    ],
    ids=["its node is silent", "it has time left", "it has ended", "it runs"],
)
def test_a_pod_that_should_be_gone_is_noticed(found: Callable[[], Any], *, overdue: bool) -> None:
    assert (overdue_pod([found()]) is not None) == overdue
