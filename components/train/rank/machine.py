"""What a rank's machine must have for the settings, looked at before anything is built on it."""

from __future__ import annotations

import math
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.planned.hardware import Gpu, machine_fault
from platen.components.train.settings import TrainSettings, cpu_fault
from platen.core.errors import SettingsError

MIB, GIB = 2**20, 2**30
CAP_IPC_LOCK = 14  # its bit, of capabilities(7)


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
    check_compilers(settings, on_gpu=machine.gpu is not None)
    if settings.zero.uses_nvme:
        check_nvme_access(settings.zero, lockable())


def check_compilers(settings: TrainSettings, *, on_gpu: bool) -> None:
    """Raise SettingsError for what would be compiled when it is first used, where there is nothing to compile it with.

    On a GPU torch.compile is Triton's, which compiles its launchers as C; on CPUs every kernel is C++.
    """
    tools = [os.environ.get("CC", "gcc"), "clang"] if on_gpu else [os.environ.get("CXX", "g++")]
    if settings.compile and not any(map(shutil.which, tools)):
        problem = f"true, but torch.compile needs {' or '.join(tools)}, and there is none here"
        raise SettingsError("train.compile", problem, "false, or an image with a compiler")
    if settings.zero.quantized_gradients and not has_quantizer():
        problem = "true, but DeepSpeed's CUDA kernels cannot be built here: they need nvcc, g++ and ninja"
        raise SettingsError("train.zero.quantized_gradients", problem, "false, or an image with these three")


def has_quantizer() -> bool:
    """Return whether DeepSpeed's 4-bit kernels are built, or can be compiled here."""
    from deepspeed.git_version_info import installed_ops
    from torch.utils.cpp_extension import CUDA_HOME

    if installed_ops.get("quantizer", False):
        return True
    nvcc = CUDA_HOME is not None and Path(CUDA_HOME, "bin", "nvcc").is_file()
    return nvcc and all(map(shutil.which, ("g++", "ninja")))


def lockable() -> float:
    """Bytes of memory that this process may keep from being swapped; infinite with the capability to lock any."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return math.inf if soft == resource.RLIM_INFINITY or capabilities >> CAP_IPC_LOCK & 1 else soft


def _without_gpu(field: str) -> str:
    return "fp32 or bf16" if field == "precision" else "false, or machines with GPUs"


def check_nvme_access(zero: ZeroSettings, lockable: float) -> None:
    """Raise SettingsError where DeepSpeed cannot use an NVMe disk that settings offload to.

    Its extension for that is compiled when it is first used, and ends the process where it may not lock its buffers.
    """
    field = f"train.zero.offload_{'optimizer' if zero.offload_optimizer == 'nvme' else 'parameters'}"
    if not has_async_io():
        problem = "nvme, but DeepSpeed's async_io cannot be built here: it needs libaio-dev, g++ and ninja"
        raise SettingsError(field, problem, "none or cpu, or an image with these three")
    needed = 4 * 4 * zero.nvme_sub_group  # weight, gradient and two moments in fp32
    if lockable < needed:
        problem = (
            f"nvme, but a rank may lock {lockable / MIB:.0f} MiB of memory; its buffers take {needed / MIB:.0f} MiB"
        )
        raise SettingsError(field, problem, "a higher limit (ulimit -l), a smaller nvme_sub_group, none or cpu")


def has_async_io() -> bool:
    """Whether DeepSpeed's extension for NVMe is there, or what it is compiled with."""
    from deepspeed.git_version_info import installed_ops
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if installed_ops.get(AsyncIOBuilder.NAME, False):
        return True
    tools = all(shutil.which(tool) for tool in ("g++", "ninja"))
    return tools and bool(AsyncIOBuilder().is_compatible())
