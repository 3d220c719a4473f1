from __future__ import annotations

from typing import Any

import pytest

from platen.components.train.planned.hardware import Gpu, job_fault, machine_fault, same_gpu
from platen.components.train.planned.settings import Hardware
from platen.jobs.settings import JobSettings

H100S = Hardware(gpu="H100-80GB", memory_gib=80, gpus_per_node=8, nodes=2)
JOB: dict[str, Any] = {"nodes": 2, "processes_per_node": 8, "gpu": "nvidia.com/gpu"}


@pytest.mark.parametrize(
    ("planned", "found"),
    [
        ("H100-80GB", "NVIDIA H100 80GB HBM3"),
        ("H100-80GB", "nvidia-h100-80gb"),
        ("A100-40GB", "NVIDIA-A100-SXM4-40GB"),
        ("A100-40GB", "nvidia-tesla-a100"),
        ("H200-141GB", "NVIDIA H200"),
        ("L4", "NVIDIA L4"),
    ],
)
def test_a_gpu_is_known_by_what_drivers_and_labels_call_it(planned: str, found: str) -> None:
    assert same_gpu(planned, found)


@pytest.mark.parametrize(
    ("planned", "found"),
    [
        ("H100-80GB", "NVIDIA H200"),
        ("A100-40GB", "NVIDIA A100-SXM4-80GB"),
        ("L4", "NVIDIA L40S"),
        ("H100-80GB", "NVIDIA A100 80GB PCIe"),
    ],
)
def test_another_gpu_is_another(planned: str, found: str) -> None:
    assert not same_gpu(planned, found)


def test_a_job_as_planned_has_no_fault() -> None:
    assert job_fault(H100S, 16, JobSettings(**JOB, gpu_type="NVIDIA-H100-80GB-HBM3")) is None
    assert job_fault(H100S, 16, None) is None


@pytest.mark.parametrize(
    ("ranks", "changes", "told"),
    [
        (8, {}, "ranks 8"),
        (16, {"nodes": 4, "processes_per_node": 4}, "job.nodes 4 with job.processes_per_node 4"),
        (16, {"gpu": None}, "job.gpu null: CPUs"),
        (16, {"gpu_type": "NVIDIA-L4"}, "job.gpu_type NVIDIA-L4"),
    ],
    ids=["ranks", "count_a_node", "cpus", "gpu"],
)
def test_a_job_that_is_other_than_planned_is_told(ranks: int, changes: dict[str, Any], told: str) -> None:
    assert job_fault(H100S, ranks, JobSettings(**{**JOB, **changes})) == told


@pytest.mark.parametrize(
    ("gpu", "ranks", "told"),
    [
        (None, 8, "a machine without a GPU"),
        (Gpu("NVIDIA H200", 139.8), 8, "a GPU NVIDIA H200 of 139.8 GiB"),
        (Gpu("NVIDIA H100", 39.5), 8, "a GPU NVIDIA H100 of 39.5 GiB"),
        (Gpu("NVIDIA H100 80GB HBM3", 79.1), 4, "4 ranks on a machine, not 8"),
    ],
    ids=["cpu", "gpu", "part_of_a_gpu", "count_a_node"],
)
def test_a_machine_that_is_other_than_planned_is_told(gpu: Gpu | None, ranks: int, told: str) -> None:
    assert machine_fault(H100S, gpu, ranks) == told


def test_a_machine_as_planned_has_no_fault() -> None:
    assert machine_fault(H100S, Gpu("NVIDIA H100 80GB HBM3", 79.1), 8) is None
