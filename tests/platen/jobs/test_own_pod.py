"""What the step's own pod says: whom it belongs to, and why a signal came."""

from __future__ import annotations

from typing import Any

import pytest

from platen.jobs import own_pod
from platen.jobs.cluster import Object
from platen.jobs.own_pod import find_pod, is_cancelled, is_evicted, own_workflow, workflows_of
from tests.fake_cluster import FakeCluster

WORKFLOW = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run", "uid": "w", "controller": True}
GONE: Object = {"metadata": {"name": "run", "deletionTimestamp": "now"}, "spec": {}}


def pod(*owners: Object, **metadata: Any) -> Object:
    return {"metadata": {"name": "step", "uid": "p", "ownerReferences": list(owners), **metadata}}


def having(found: Object | int, workflow: Object | int = 404) -> FakeCluster:
    return FakeCluster(answer=lambda method, path, body: workflow if "/workflows/" in path else found)


@pytest.fixture(autouse=True)
def step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_POD_NAME", "step")
    monkeypatch.setenv("KFP_POD_UID", "p")
    monkeypatch.setattr(own_pod, "own_namespace", lambda: "steps")  # no test is in a pod


def test_a_job_belongs_to_the_run_and_not_to_the_pod() -> None:
    owners = [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "r", "uid": "r"}, WORKFLOW]
    wanted = {key: WORKFLOW[key] for key in ("apiVersion", "kind", "name", "uid")}
    assert own_workflow(having(pod(*owners))) == [wanted]
    assert workflows_of({"metadata": {}}) == []


def test_another_pod_that_has_the_name_now_is_not_the_step_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_pod(having(pod())) is not None
    assert find_pod(having(pod(uid="other"))) is None
    assert own_workflow(having(404)) == []
    monkeypatch.delenv("KFP_POD_NAME")
    asked = having(pod())
    assert (find_pod(asked), asked.asked) == (None, [])


@pytest.mark.parametrize(
    ("workflow", "cancelled"),
    [
        ({"metadata": {}, "spec": {}}, False),
        ({"metadata": {}, "spec": {"activeDeadlineSeconds": 0}}, True),
        ({"metadata": {}, "spec": {"activeDeadlineSeconds": 3600}}, False),
        ({"metadata": {}, "spec": {"shutdown": "Terminate"}}, True),
        (GONE, True),
        (404, True),
    ],
    ids=["runs", "terminated_by_kfp", "has_time", "shut_down_by_argo", "being_deleted", "deleted"],
)
def test_a_run_that_is_to_end(workflow: Any, cancelled: bool) -> None:
    here = having(pod(WORKFLOW), workflow)
    assert is_cancelled(here, "run") is cancelled
    assert is_evicted(here) is not cancelled, "else its node is being drained"


@pytest.mark.parametrize(
    ("found", "away"),
    [(404, True), (pod(uid="other"), True), (pod(deletionTimestamp="now"), True), (pod(), False), (403, False)],
    ids=["gone", "replaced", "being_deleted", "of_no_run", "unseen"],
)
def test_a_pod_that_goes_is_evicted_and_what_cannot_be_seen_is_not(found: Any, away: bool) -> None:
    assert is_evicted(having(found)) is away


def test_it_is_looked_for_where_the_step_runs_and_not_where_its_job_does() -> None:
    here = FakeCluster(namespace="training", answer=lambda method, path, body: 404)
    assert is_evicted(here)
    assert here.asked == ["GET /api/v1/namespaces/steps/pods/step"]


def test_outside_of_a_run_nobody_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KFP_POD_NAME")
    assert not is_evicted(having(404))
    assert own_pod.run_is_cancelled() is None


@pytest.mark.parametrize(
    ("here", "said"),
    [
        (having(pod(WORKFLOW), {"metadata": {}, "spec": {"shutdown": "Stop"}}), True),
        (having(pod(WORKFLOW), {"metadata": {}, "spec": {}}), False),
        (having(pod()), None),
        (having(404), None),
        (having(403), None),
    ],
    ids=["cancelled", "runs", "of_no_run", "gone", "unseen"],
)
def test_whether_the_run_was_cancelled(here: FakeCluster, said: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_pod, "connect", lambda namespace: here)
    assert own_pod.run_is_cancelled() is said
