"""The pod that tries whether images can be pulled: where it goes, and what is made of its answers."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from platen.jobs.cluster import Object
from platen.jobs.preflight import NotPulledError
from platen.pipelines.checks import images
from platen.pipelines.checks.images import trial_pod, wait_for_images
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site


def test_it_goes_where_the_step_s_own_pod_went() -> None:
    own = {
        "metadata": {},
        "spec": {
            "serviceAccountName": "runner",
            "imagePullSecrets": [{"name": "registry"}],
            "nodeSelector": {"kubernetes.io/arch": "amd64"},
            "affinity": {"nodeAffinity": {}},
            "tolerations": [{"key": "pool"}],
            "nodeName": "n1",
            "volumes": [],
        },
    }
    spec = trial_pod(own, {"gate": "r/gate:1"})["spec"]
    taken = {name: value for name, value in own["spec"].items() if name not in ("nodeName", "volumes")}
    assert {name: spec.get(name) for name in taken} == taken
    assert "nodeName" not in spec and "volumes" not in spec


def pod(*states: tuple[str, str] | None) -> Object:
    """A pod with a container per state: what it waits for and why; None: its image is there."""
    statuses = []
    for number, state in enumerate(states):
        waiting = {} if state is None else {"waiting": {"reason": state[0], "message": state[1]}}
        name = {"name": f"image-{number}", "image": f"r/{number}"}
        statuses.append({**name, "imageID": "" if state else "sha256:1", "state": waiting or {"running": {}}})
    containers = [{"name": f"image-{number}", "image": f"r/{number}"} for number in range(len(states))]
    return {"spec": {"containers": containers}, "status": {"containerStatuses": statuses}}


def looked_at(*pods: Object) -> FakeCluster:
    """A cluster on which a pod is seen in these states one after the other; the last one lasts."""
    seen = chain(pods, repeat(pods[-1]))
    return FakeCluster(answer=lambda method, path, body: next(seen))


NONE, BACK_OFF = ("ErrImagePull", "r/1: manifest unknown"), ("ImagePullBackOff", "Back-off pulling image")
CREATING = ("ContainerCreating", "")


def test_a_final_fault_holds_while_other_images_are_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet's next words may be of the back-off alone."""
    monkeypatch.setattr(images, "SECONDS", 5.0)
    cluster = looked_at(pod(CREATING, NONE), pod(CREATING, BACK_OFF), pod(None, BACK_OFF))
    there, faults = wait_for_images(cluster, "/pod", 2)
    assert (there, {image: fault.final for image, fault in faults.items()}) == (1, {"r/1": True})
    assert "manifest unknown" in faults["r/1"].words


def test_an_image_that_comes_after_all_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "SECONDS", 5.0)
    cluster = looked_at(pod(CREATING, NONE), pod(CREATING, None), pod(None, None))
    assert wait_for_images(cluster, "/pod", 2) == (2, {})


@pytest.mark.parametrize(
    ("words", "state"),
    [("ImagePullBackOff: 503 Service Unavailable", "not checked"), ("ImagePullBackOff: manifest unknown", "missing")],
)
def test_a_registry_that_is_away_hours_before_the_training_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, words: str, state: str
) -> None:
    def probe(*given: object) -> bool:
        raise NotPulledError(f"a pod cannot start: {words}", words)

    monkeypatch.setattr(images, "probe", probe)
    (found,) = images.of_training(site("train: {ranks: 2, job: {}}", FakeCluster()))
    assert found.state == state
