"""A run's own folder on a node's NVMe disk, for what DeepSpeed offloads there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError

GIB = 2**30
OPTIMIZER = 16  # bytes a number: fp32 weight, gradient and two moments


def needed_bytes(settings: TrainSettings, parameters: int, ranks: int) -> int:
    """Count the bytes that some ranks of a training keep on NVMe for a model of so many parameters."""
    zero = settings.zero
    width = 4 if settings.precision == "fp32" else 2
    each = OPTIMIZER * (zero.offload_optimizer == "nvme") + width * (zero.offload_parameters == "nvme")
    return each * parameters * ranks // settings.ranks


@contextmanager
def nvme_folder(zero: ZeroSettings, name: str, needed: int) -> Iterator[ZeroSettings]:
    """The settings with a folder of this run's own below nvme_path, empty, which is removed at the end.

    DeepSpeed has one folder for whoever trains below a path, and leaves its files.

    Raises SettingsError where the path has no folder, or too little room for the bytes that this node's ranks need.
    """
    if zero.nvme_path is None or not zero.uses_nvme:
        yield zero
        return
    own = Path(zero.nvme_path, f"platen-{name}")
    shutil.rmtree(own, ignore_errors=True)  # of an attempt that was killed
    check_nvme(Path(zero.nvme_path), needed)
    own.mkdir()
    try:
        yield zero.model_copy(update={"nvme_path": str(own)})
    finally:
        shutil.rmtree(own, ignore_errors=True)


def check_nvme(path: Path, needed: int) -> None:
    """Raise SettingsError where a path has no folder that can be written to, or too little room."""
    if not path.is_dir() or not os.access(path, os.W_OK):
        found = "cannot be written to" if path.is_dir() else "no such folder on this machine"
        raise SettingsError("train.zero.nvme_path", f"{path}: {found}", "a folder on a local NVMe disk of every node")
    free = shutil.disk_usage(path).free
    if free < needed:
        problem = f"{path} has {free / GIB:.1f} GiB free; this node's ranks need {needed / GIB:.1f}"
        raise SettingsError("train.zero.nvme_path", problem, "a larger disk, or more nodes to share it")
