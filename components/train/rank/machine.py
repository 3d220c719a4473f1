"""What a rank's machine must have for the settings, looked at before anything is built on it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.planned.hardware import Gpu, machine_fault
from platen.components.train.settings import TrainSettings, cpu_fault
from platen.errors import SettingsError

GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """What was found: this rank's GPU, None where there is none, and how many ranks the machine runs."""

    gpu: Gpu | None
    ranks: int

    @staticmethod
    def here() -> Machine:
        """This rank's."""
        import torch

        ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if not torch.cuda.is_available():
            return Machine(None, ranks)
        found = torch.cuda.get_device_properties(int(os.environ.get("LOCAL_RANK", "0")))
        return Machine(Gpu(found.name, found.total_memory / GIB), ranks)


def check_machine(settings: TrainSettings, machine: Machine) -> None:
    """Raise SettingsError for settings that this machine cannot do, or that were planned for another one."""
    fault = cpu_fault(settings) if machine.gpu is None else None
    if fault is not None:
        field, value = fault.split(" ")[:2]
        raise SettingsError(f"train.{field}", f"{value}, and this machine has no GPU", _without_gpu(field))
    planned = settings.planned_for
    other = None if planned is None else machine_fault(planned, machine.gpu, machine.ranks)
    if other is not None:
        raise SettingsError(
            "train.planned_for", f"{planned}, but here is {other}", "the machines that were planned for, or a new plan"
        )
    check_async_io(settings.zero)


def _without_gpu(field: str) -> str:
    return "fp32 or bf16" if field == "precision" else "false, or machines with GPUs"


def check_async_io(zero: ZeroSettings) -> None:
    """Raise SettingsError where DeepSpeed cannot use an NVMe disk: its extension is compiled when it is first used."""
    if zero.uses_nvme and not has_async_io():
        field = "offload_optimizer" if zero.offload_optimizer == "nvme" else "offload_parameters"
        problem = "nvme, but DeepSpeed's async_io cannot be built here: it needs libaio-dev, g++ and ninja"
        raise SettingsError(f"train.zero.{field}", problem, "none or cpu, or an image with these three")


def has_async_io() -> bool:
    """Whether DeepSpeed's extension for NVMe is there, or what it is compiled with."""
    from deepspeed.git_version_info import installed_ops
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if installed_ops.get(AsyncIOBuilder.NAME, False):
        return True
    tools = all(shutil.which(tool) for tool in ("g++", "ninja"))
    return tools and bool(AsyncIOBuilder().is_compatible())
