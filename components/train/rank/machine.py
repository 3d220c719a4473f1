"""What a rank's machine must have for the settings, looked at before anything is built on it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

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
    check_nvme(settings.zero, machine.ranks)


def _without_gpu(field: str) -> str:
    return "fp32 or bf16" if field == "precision" else "false, or machines with GPUs"


def check_nvme(zero: ZeroSettings, ranks: int) -> None:
    """Raise SettingsError where what is to be offloaded to NVMe has no folder, or too little room for all ranks."""
    if zero.nvme_path is None or "nvme" not in (zero.offload_optimizer, zero.offload_parameters):
        return
    path, wanted = Path(zero.nvme_path), zero.nvme_gib * ranks
    if not path.is_dir() or not os.access(path, os.W_OK):
        found = "cannot be written to" if path.is_dir() else "no such folder on this machine"
        raise SettingsError("train.zero.nvme_path", f"{path}: {found}", "a folder on a local NVMe disk of every node")
    free = shutil.disk_usage(path).free / GIB
    if free < wanted:
        problem = f"{path} has {free:.1f} GiB free; {ranks} ranks of nvme_gib {zero.nvme_gib:g} need {wanted:g}"
        raise SettingsError("train.zero.nvme_path", problem, "a larger disk, or a smaller nvme_gib if that is enough")
