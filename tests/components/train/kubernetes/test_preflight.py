"""What preflight makes of quotas, nodes and paths; the rest needs a cluster."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from platen.components.train.kubernetes.preflight import (
    check_volumes,
    check_workspace,
    could_hold,
    disk_use,
    probe_body,
    quantity,
    quota_use,
    shortage,
)
from platen.components.train.kubernetes.settings import JobSettings
from platen.components.train.models.files import UNET_FILE
from platen.components.train.node.nvme import GIB
from platen.components.train.settings import TrainSettings
from platen.errors import SettingsError
from platen.manifest import File

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
    spec = probe_body(GPUS, ["gs://b/ws", "10"])["spec"]["pytorchReplicaSpecs"]
    (container,) = spec["Master"]["template"]["spec"]["containers"]
    assert set(spec) == {"Master"}
    assert set(container["resources"]["limits"]) == {"memory"}
    assert spec["Master"]["template"]["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_what_a_probe_found_holds_for_the_same_pods_and_disks() -> None:
    def name(settings: JobSettings = GPUS, needed: int = 1) -> str:
        return str(probe_body(settings, ["gs://b/ws", str(needed)])["metadata"]["name"])

    assert name() == name(GPUS.model_copy(update={"restarts": 7, "nodes": 8}))
    assert name() != name(needed=2)
    assert name() != name(GPUS.model_copy(update={"service_account": "other"}))
    assert name() != name(GPUS.model_copy(update={"image": "other:1"}))


@pytest.mark.parametrize(
    ("zero", "nvme"),
    [({}, []), ({"offload_optimizer": "nvme", "nvme_path": "/nvme"}, ["/nvme", 6 * 16 * 2 // 8])],
    ids=["memory", "nvme"],
)
def test_disks_must_hold_the_inputs_nine_models_and_what_is_offloaded(
    zero: dict[str, Any], nvme: list[str | int]
) -> None:
    settings = TrainSettings.model_validate({"ranks": 8, "zero": zero})
    unet = File(path=UNET_FILE, size=6 * 4 * GIB, sha256="0" * 64)  # 6 Gi numbers
    latents = File(path="latents/0.npy", size=GIB - 5, sha256="0" * 64)
    assert disk_use(settings, [latents], [unet], ranks=2) == [1 + 9 * 24, *nvme]
