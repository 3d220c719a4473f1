"""What preflight makes of quotas, nodes and paths; the rest needs a cluster."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from platen.core.errors import ClusterError, SettingsError
from platen.jobs import preflight
from platen.jobs.cluster import Object
from platen.jobs.pods import timestamp
from platen.jobs.preflight import (
    NotPulledError,
    check_volumes,
    check_workspace,
    could_hold,
    probe,
    probe_body,
    quantity,
    quota_use,
    shortage,
)
from platen.jobs.probe import command
from platen.jobs.settings import JobSettings
from tests.fake_cluster import FakeCluster

PROBE = command("gs://b/ws")
GPUS = JobSettings(nodes=2, processes_per_node=4, gpu="nvidia.com/gpu", cpu="8", memory="64Gi", devices={"rdma/hca": 1})


def test_all_pods_count_under_every_name_that_a_quota_may_have() -> None:
    assert {name: str(amount) for name, amount in quota_use(GPUS).items()} == {
        "pods": "2",
        "count/pods": "2",
        "cpu": "16",
        "requests.cpu": "16",
        "memory": str(128 * 2**30),
        "requests.memory": str(128 * 2**30),
        "limits.memory": str(128 * 2**30),
        "requests.nvidia.com/gpu": "8",
        "limits.nvidia.com/gpu": "8",
        "requests.rdma/hca": "2",
        "limits.rdma/hca": "2",
    }


@pytest.mark.parametrize(
    ("hard", "used", "short"),
    [
        ({"requests.nvidia.com/gpu": "8"}, {"requests.nvidia.com/gpu": "0"}, []),
        (
            {"requests.nvidia.com/gpu": "8"},
            {"requests.nvidia.com/gpu": "1"},
            ["requests.nvidia.com/gpu: 8 needed, 1 of 8 used"],
        ),
        ({"memory": "100Gi"}, {}, ["memory: 128.0 GiB needed, 0 of 100Gi used"]),
        ({"requests.cpu": "15500m"}, {"requests.cpu": "0"}, ["requests.cpu: 16 needed, 0 of 15500m used"]),
        ({"services": "1"}, {"services": "1"}, []),
        ({}, {}, []),
    ],
)
def test_a_shortage_has_its_numbers(hard: dict[str, str], used: dict[str, str], short: list[str]) -> None:
    assert shortage(quota_use(GPUS), {"hard": hard, "used": used}) == short


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", "0.5"), ("4", "4"), ("1Ki", "1024"), ("2Gi", str(2**31)), ("1k", "1000"), ("1.5", "1.5")],
)
def test_quantities(text: str, number: str) -> None:
    assert quantity(text) == Decimal(number)


def node(labels: dict[str, str] = {}, **allocatable: str) -> Any:  # noqa: B006
    return {"metadata": {"labels": labels}, "status": {"allocatable": allocatable}}


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (node({"pool": "a"}, cpu="8", memory="64Gi"), True),
        (node({"pool": "b"}, cpu="8", memory="64Gi"), False),
        (node({"pool": "a"}, cpu="7900m", memory="64Gi"), False),
        (node({"pool": "a"}, cpu="8"), False),
    ],
    ids=["fits", "another label", "too few cores", "no memory told"],
)
def test_a_node_that_could_hold_a_pod(found: Any, holds: bool) -> None:
    assert could_hold(found, {"cpu": Decimal(8), "memory": Decimal(64 * 2**30)}, {"pool": "a"}) == holds


def test_a_workspace_that_pods_cannot_reach_is_refused() -> None:
    mounted = JobSettings(volumes={"data": "/mnt/data"})
    check_workspace(mounted, "/mnt/data/workspace")
    check_workspace(JobSettings(), "gs://bucket/workspace")
    with pytest.raises(
        SettingsError, match=r"train\.job\.volumes: the workspace /mnt/database lies on none.*/mnt/data"
    ):
        check_workspace(mounted, "/mnt/database")
    with pytest.raises(SettingsError, match="they have none"):
        check_workspace(JobSettings(), "/home/me/workspace")


def test_a_volume_of_another_namespace_is_another_volume() -> None:
    for namespace, own, workspace in (("a", "a", "/data"), ("a", None, "/data"), ("a", "b", "gs://bucket/ws")):
        check_volumes(namespace, own, workspace)
    with pytest.raises(SettingsError, match=r"/data is on a volume of the namespace kubeflow; .* made in platen"):
        check_volumes("platen", "kubeflow", "/data")


def test_the_probe_takes_no_gpu_yet_may_go_where_they_are() -> None:
    spec = probe_body(GPUS, PROBE)["spec"]["pytorchReplicaSpecs"]
    (container,) = spec["Master"]["template"]["spec"]["containers"]
    assert set(spec) == {"Master"}
    assert set(container["resources"]["limits"]) == {"memory"}
    assert spec["Master"]["template"]["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_what_a_probe_found_holds_for_the_same_pods_and_disks() -> None:
    def name(settings: JobSettings = GPUS, needed: int = 1) -> str:
        return str(probe_body(settings, ["probe", str(needed)])["metadata"]["name"])

    assert name() == name(GPUS.model_copy(update={"restarts": 7, "nodes": 8}))
    assert name() != name(needed=2)
    assert name() != name(GPUS.model_copy(update={"service_account": "other"}))
    assert name() != name(GPUS.model_copy(update={"image": "other:1"}))


class Probes:
    """A namespace with a probe's job and pod; `after` looks at the job it is in the state `then`."""

    def __init__(self, *, age: float = 0.0, then: str = "Succeeded", after: int = 3) -> None:
        self.uids, self.made, self.deleted = count(), 0, list[str]()
        self.job: Object | None = self.new(age) if age else None
        self.pods: list[Object] = []
        self.then, self.after, self.looks, self.stuck = then, after, 0, False
        self.cluster = FakeCluster(answer=self.answer)

    def new(self, age: float = 0.0) -> Object:
        name = probe_body(GPUS, PROBE)["metadata"]["name"]
        created = timestamp(time.time() - age)
        return {"metadata": {"name": name, "uid": str(next(self.uids)), "creationTimestamp": created}, "spec": {}}

    def answer(self, method: str, path: str, body: Object) -> Object | int:
        if path.endswith("/pods"):
            return {"items": self.pods}
        if "/pytorchjobs/" not in path:
            return {"items": []}
        if method == "PATCH":
            self.made += 1
            self.job = self.new()
            return self.job
        if method == "DELETE":
            assert self.job is not None
            assert body["preconditions"]["uid"] == self.job["metadata"]["uid"]
            self.deleted.append(self.job["metadata"]["uid"])
            self.job = self.job if self.stuck else None
            return {}
        self.looks += 1
        if self.looks == self.after:
            self.end()
        return self.job or 404

    def end(self) -> None:
        if self.then == "gone":
            self.job, self.then, self.after = self.new(), "Succeeded", self.looks + 2  # of a third run
        elif self.job is not None:
            self.job["status"] = {"conditions": [{"type": self.then, "status": "True"}]}

    def pod(self, uid: str, state: Object, **metadata: Any) -> None:
        owners = [{"uid": uid}]
        self.pods.append({
            "metadata": {"name": "p", "uid": "p", "ownerReferences": owners, **metadata},
            "status": {"containerStatuses": [{"name": "pytorch", "state": state}]},
        })  # fmt: skip


def test_a_probe_that_another_run_has_just_made_is_waited_for_and_left_alone() -> None:
    there = Probes(age=5)
    assert probe(there.cluster, GPUS, PROBE)
    assert (there.made, there.deleted) == (0, [])


def test_one_that_nobody_can_wait_for_any_more_is_replaced() -> None:
    there = Probes(age=2 * preflight.PROBE_SECONDS)
    assert probe(there.cluster, GPUS, PROBE)
    assert (there.made, there.deleted) == (1, ["0"])


def test_one_that_failed_is_replaced() -> None:
    there = Probes(age=5, after=4)
    assert there.job is not None
    there.job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    assert probe(there.cluster, GPUS, PROBE)
    assert (there.made, there.deleted) == (1, ["0"])


def test_how_the_pod_of_a_probe_ends_that_was_taken_away_is_no_fault() -> None:
    there = Probes(age=5, then="gone")
    ended = {"terminated": {"exitCode": 143}}
    there.pod("0", ended, deletionTimestamp=timestamp(time.time()))
    assert probe(there.cluster, GPUS, PROBE)
    assert (there.made, there.deleted) == (1, [])


def test_a_probe_that_cannot_be_deleted_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Probes(age=2 * preflight.PROBE_SECONDS, after=10**6)
    there.stuck = True
    monkeypatch.setattr(preflight, "PROBE_SECONDS", 0.5)
    assert not probe(there.cluster, GPUS, PROBE)
    assert there.made == 0


def test_a_probe_s_failure_is_told_and_it_is_taken_away() -> None:
    there = Probes(then="Failed")
    with pytest.raises(ClusterError, match="failed: its pod is gone"):
        probe(there.cluster, GPUS, PROBE)
    assert there.deleted == ["0"]


def test_an_image_that_is_not_pulled_is_told_with_what_the_registry_said() -> None:
    there, looks = Probes(after=10**6), count()
    states = [
        {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}},
        {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
    ]
    there.pod("0", states[0])

    def answer(method: str, path: str, body: Object) -> Object | int:
        if path.endswith("/pods"):
            there.pods[0]["status"]["containerStatuses"][0]["state"] = states[min(next(looks), 1)]
        return there.answer(method, path, body)

    with pytest.raises(NotPulledError) as caught:
        probe(FakeCluster(answer=answer), GPUS, PROBE)
    assert "ImagePullBackOff" in caught.value.words
    assert "manifest unknown" in caught.value.words
