from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.planned.hardware import Gpu
from platen.components.train.rank.machine import Machine, check_machine, check_nvme_access, has_async_io
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.stage import Folder
from tests.components.train import small_run

H100 = Gpu("NVIDIA H100 80GB HBM3", 79.1)
PLANNED = {"gpu": "H100-80GB", "memory_gib": 80, "gpus_per_node": 2, "nodes": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "fp16"}, r"train\.precision: fp16, and this machine has no GPU\. Accepted: fp32 or bf16"),
        ({"zero": {"quantized_gradients": True}}, r"train\.zero\.quantized_gradients: true, and .* no GPU"),
        ({"planned_for": PLANNED}, r"planned_for: 1 x 2 H100-80GB, but here is a machine without a GPU"),
    ],
    ids=["fp16", "qgZ", "planned"],
)
def test_what_cpus_cannot_do_is_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_machine(TrainSettings.model_validate(settings), Machine(None, 2))


@pytest.mark.parametrize("settings", [{"precision": "fp16"}, {"planned_for": PLANNED}], ids=["fp16", "planned"])
def test_what_gpus_can_do_is_not_refused_there(settings: dict[str, Any]) -> None:
    check_machine(TrainSettings.model_validate(settings), Machine(H100, 2))


@pytest.mark.parametrize(
    ("settings", "gpu", "words"),
    [
        ({"compile": True, "zero": {"stage": 2}}, None, r"train\.compile: true, .* needs g\+\+, .*Accepted: false"),
        ({"compile": True, "zero": {"stage": 2}}, H100, r"train\.compile: true, but torch.compile needs gcc or clang"),
        ({"zero": {"quantized_gradients": True}}, H100, r"quantized_gradients: true, but .*: they need nvcc, g\+\+"),
    ],
    ids=["compile on CPUs", "compile on GPUs", "qgZ"],
)
def test_what_is_compiled_when_it_is_used_is_refused_without_a_compiler(
    settings: dict[str, Any], gpu: Gpu | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=words):
        check_machine(TrainSettings.model_validate(settings), Machine(gpu, 2))


@pytest.mark.skipif(shutil.which("g++") is None or shutil.which("gcc") is None, reason="needs a compiler")
def test_a_compiler_is_all_that_torch_compile_needs() -> None:
    for gpu in (None, H100):
        check_machine(TrainSettings.model_validate({"compile": True, "zero": {"stage": 2}}), Machine(gpu, 2))


def test_hpz_is_no_matter_of_gpus() -> None:
    check_machine(TrainSettings(zero=ZeroSettings(secondary_partition=2)), Machine(None, 2))


def test_a_plan_for_another_gpu_is_refused_naming_both() -> None:
    chosen = TrainSettings.model_validate({"planned_for": PLANNED})
    with pytest.raises(SettingsError, match=r"1 x 2 H100-80GB, but here is a GPU NVIDIA L4 of 22\.0 GiB\. Accepted: "):
        check_machine(chosen, Machine(Gpu("NVIDIA L4", 22.0), 2))


def test_nvme_without_what_reads_and_writes_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # neither g++ nor ninja
    zero = ZeroSettings(offload_parameters="nvme", nvme_path=str(tmp_path))
    with pytest.raises(
        SettingsError, match=r"train\.zero\.offload_parameters: nvme, .*libaio-dev.*Accepted: none or cpu"
    ):
        check_nvme_access(zero, math.inf)


@pytest.mark.skipif(not has_async_io(), reason="DeepSpeed's async_io needs libaio-dev, g++ and ninja")
def test_nvme_whose_buffers_cannot_be_locked_is_refused() -> None:
    """DeepSpeed ends the process there, with an assertion in C++."""
    zero = ZeroSettings(offload_optimizer="nvme", nvme_path="/nvme", nvme_sub_group=1_000_000)
    with pytest.raises(SettingsError, match=r"offload_optimizer: nvme, but a rank may lock 8 MiB .* take 15 MiB"):
        check_nvme_access(zero, 8 * 2**20)
    check_nvme_access(zero, 16 * 2**20)


def test_ranks_refuse_before_anything_is_built(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"train\.precision: fp16, and this machine has no GPU"):
        small_run.run(tmp_path, encoded, base, small_run.settings(precision="fp16"))
    assert not (tmp_path / "began.json").exists()
