"""What is read from a Deployment and its pods. The rollouts themselves: tests/cluster/test_deploy.py."""

from __future__ import annotations

from typing import Any

import pytest

from platen.components.deploy.deployment import NO_OUTPUT, Deployment
from platen.components.deploy.rollout import fault_of, is_overdue, is_ready, what_is_left, why_not_ready
from tests.components.deploy.objects import container_status, deployment, deployment_seen, pod

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("status", "left"),
    [
        ({"observedGeneration": 6}, "the controller has not seen it yet"),
        ({"updatedReplicas": 1, "replicas": 3, "availableReplicas": 2}, "1 of 2 pods are new"),
        ({"updatedReplicas": 2, "replicas": 3, "availableReplicas": 2}, "1 old pods are still there"),
        ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}, "1 of 2 new pods are available"),
        ({"updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}, ""),
    ],
    ids=["unseen", "not_all_made", "old_ones", "unavailable", "done"],
)
def test_what_is_left_of_a_rollout(status: Object, left: str) -> None:
    assert what_is_left(deployment_seen(replicas=2, generation=7, status=status)) == left


def test_a_deployment_scaled_to_0_has_nothing_left() -> None:
    assert what_is_left(deployment_seen(replicas=0, generation=7, status={})) == ""


def test_only_the_present_rollout_is_overdue() -> None:
    given_up = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}
    assert is_overdue(deployment_seen(generation=7, status=given_up))
    assert not is_overdue(deployment_seen(generation=8, status={**given_up, "observedGeneration": 7}))
    assert not is_overdue(deployment_seen(generation=7, status={"conditions": []}))


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (container_status(waiting={"reason": "ContainerCreating"}), None),
        (container_status(waiting={"reason": "ImagePullBackOff", "message": "no such host"}), None),
        (container_status(running={}), None),
        (container_status("sidecar", terminated={"exitCode": 2}), None),
        (container_status("sidecar", running={}, last={"exitCode": 1}, restarts=1), None),
        (
            container_status(waiting={"reason": "InvalidImageName", "message": "x y"}),
            "pod new-1: InvalidImageName: x y",
        ),
        (
            container_status("sidecar", waiting={}, last={"exitCode": 137, "reason": "OOMKilled"}, restarts=2),
            "pod new-1: sidecar ended with exit code 137 (OOMKilled)",
        ),
    ],
    ids=["starting", "registry_away", "running", "other_s_code_2", "one_crash", "no_such_image", "crashes_again"],
)
def test_a_pod_that_cannot_become_ready_is_told_from_one_that_may(status: Object, fault: str | None) -> None:
    assert fault_of(deployment(), pod("new-1", [status])) == fault


class Restarted(Deployment):
    """Its server has ended and is started again before its log is read."""

    def last_words(self, pod: str, *, previous: bool) -> str:
        return "the digest is another" if previous else NO_OUTPUT


def test_a_server_that_is_restarted_before_its_log_is_read_keeps_its_words() -> None:
    plain = deployment()
    found = pod("new-1", [container_status(plain.settings.container, terminated={"exitCode": 2})])
    fault = fault_of(Restarted(plain.cluster, plain.settings), found)
    assert fault == f"pod new-1: {plain.settings.container} ended with exit code 2: the digest is another"


def test_a_pod_that_waits_says_for_what() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "Insufficient nvidia.com/gpu"}
    found = pod("new-1", [], conditions=[unscheduled])
    assert why_not_ready(deployment(), found) == "cannot be scheduled: Insufficient nvidia.com/gpu"
    pulling = container_status(waiting={"reason": "ImagePullBackOff", "message": "no such host"})
    assert why_not_ready(deployment(), pod("new-1", [pulling])) == "waits: ImagePullBackOff: no such host"


def test_a_pod_is_ready_when_its_condition_says_so() -> None:
    assert is_ready(pod("new-1", [], conditions=[{"type": "Ready", "status": "True"}]))
    assert not is_ready(pod("new-1", [], conditions=[{"type": "Ready", "status": "False"}]))
