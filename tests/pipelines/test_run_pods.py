"""What the pods of a run say: why a task does not start, and how one ended."""

from __future__ import annotations

import time
from typing import Any

import pytest

from platen.jobs.cluster import Object
from platen.pipelines.run_pods import NODE_NAME, REST, RunPods, end_of, find_pods
from tests.fake_cluster import FakeCluster

TASKS = ("ingest", "train")
PLACE = "run.root.exit-handler-1.ingest.executor"


def pod(phase: str, place: str = PLACE, **status: Any) -> Object:
    return {
        "metadata": {"name": "run-1", "namespace": "kubeflow", "uid": "u", "annotations": {NODE_NAME: place}},
        "spec": {},
        "status": {"phase": phase, **status},
    }


def pulling(why: str = "ImagePullBackOff") -> Object:
    waiting = {"waiting": {"reason": why, "message": "manifest unknown"}}
    return pod("Pending", containerStatuses=[{"name": "main", "image": "r/1", "state": waiting}])


def seen(*pods: Object, nodes: dict[str, tuple[str, str]] | None = None) -> RunPods:
    """A look at a run with these pods, and nodes of its Workflow: phase and message by place."""
    listed = {
        place: {"name": place, "type": "Pod", "phase": phase, "message": message}
        for place, (phase, message) in (nodes or {}).items()
    }

    def answer(method: str, path: str, body: Object) -> Object:
        if path.endswith("/workflows"):
            return {"items": [{"status": {"nodes": listed}}]}
        return {"items": list(pods) if path.endswith("/pods") else []}

    return RunPods(FakeCluster(answer=answer), "kubeflow", "run-id", TASKS)


def test_a_task_whose_image_cannot_be_pulled_is_named_with_the_reason() -> None:
    found = seen(pulling()).waiting()
    assert list(found) == ["ingest"]
    assert "manifest unknown" in found["ingest"]


def test_a_task_that_merely_starts_or_runs_is_left_out() -> None:
    assert seen(pulling("ContainerCreating"), pod("Running")).waiting() == {}


def test_what_no_pod_could_be_made_for_is_known_by_the_workflow() -> None:
    nodes = {PLACE: ("Pending", "exceeded quota"), "run.root.train.executor": ("Running", "well")}
    assert seen(nodes=nodes).waiting() == {"ingest": "exceeded quota"}
    assert seen(pod("Running"), nodes=nodes).waiting() == {}, "its pod is there by now"


@pytest.mark.parametrize(
    ("place", "task"),
    [
        ("run.root.exit-handler-1.ingest.executor", "ingest"),
        ("run.root.condition-1.train-driver", "train"),
        ("run.root.ingest.train.executor", "train"),
        ("run.root", "run-1"),
        ("", "run-1"),
    ],
)
def test_the_innermost_task_of_a_place_counts(place: str, task: str) -> None:
    failed = pod("Failed", place, reason="Evicted", message="low on memory")
    assert seen(failed).failed() == {task: "Evicted low on memory"}


def terminated(name: str, code: int, **more: str) -> Object:
    return {"name": name, "state": {"terminated": {"exitCode": code, **more}}}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"containerStatuses": [terminated("main", 137, reason="OOMKilled")]}, "OOMKilled, exit code 137"),
        ({"containerStatuses": [terminated("main", 2, reason="Error", message=" no file\n")]}, "exit code 2: no file"),
        ({"containerStatuses": [terminated("wait", 1), terminated("main", 2)]}, "exit code 2"),
        ({"containerStatuses": [terminated("wait", 1), terminated("main", 0)]}, "exit code 1"),
        ({"initContainerStatuses": [terminated("init", 64)]}, "exit code 64"),
        ({"containerStatuses": [terminated("main", 0)], "phase": "Succeeded"}, ""),
        ({"phase": "Failed"}, "its pod failed"),
        ({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}, ""),
    ],
    ids=["memory", "last_words", "main_first", "sidecar", "init", "well", "no_container", "runs"],
)
def test_how_a_pod_ended(status: Object, words: str) -> None:
    assert end_of({"status": status}) == words


def test_what_the_pod_says_goes_over_what_argo_noted() -> None:
    ended = pod("Failed", containerStatuses=[terminated("main", 2)])
    nodes = {PLACE: ("Failed", "Error (exit code 2)"), "run.root.train.executor": ("Error", "pod deleted")}
    assert seen(ended, nodes=nodes).failed() == {"ingest": "exit code 2", "train": "pod deleted"}


def test_a_cluster_that_does_not_answer_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    cluster = FakeCluster(answer=lambda *_: 503)
    pods = RunPods(cluster, "kubeflow", "run-id", TASKS)
    assert (pods.waiting(), pods.failed(), pods.seen) == ({}, {}, False)
    assert len(cluster.asked) == 1
    assert 0 < pods.away_until - time.monotonic() <= REST
    assert caplog.text.count("cannot be seen") == 1


def test_without_a_cluster_nothing_is_known_and_the_command_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    pods = find_pods("jo", "run-id", TASKS)
    assert (pods.waiting(), pods.failed()) == ({}, {})
    assert pods.command().endswith("--namespace jo --selector pipeline/runid=run-id")
