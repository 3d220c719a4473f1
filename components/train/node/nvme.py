"""A run's own folder on a node's NVMe disk, for what DeepSpeed offloads there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platen.components.train.parallel.settings import ZeroSettings
from platen.errors import SettingsError

GIB = 2**30


@contextmanager
def nvme_folder(zero: ZeroSettings, name: str, ranks: int) -> Iterator[ZeroSettings]:
    """The settings with a folder of this run's own below nvme_path, empty, which is removed at the end.

    DeepSpeed has one folder for whoever trains below a path, and leaves its files.

    Raises SettingsError where the path has no folder, or too little room for this node's ranks.
    """
    if zero.nvme_path is None or not zero.uses_nvme:
        yield zero
        return
    own = Path(zero.nvme_path, f"platen-{name}")
    shutil.rmtree(own, ignore_errors=True)  # of an attempt that was killed
    check_nvme(Path(zero.nvme_path), zero.nvme_gib, ranks)
    own.mkdir()
    try:
        yield zero.model_copy(update={"nvme_path": str(own)})
    finally:
        shutil.rmtree(own, ignore_errors=True)


def check_nvme(path: Path, gib: float, ranks: int) -> None:
    """Raise SettingsError where a path has no folder that can be written to, or too little room for all ranks."""
    if not path.is_dir() or not os.access(path, os.W_OK):
        found = "cannot be written to" if path.is_dir() else "no such folder on this machine"
        raise SettingsError("train.zero.nvme_path", f"{path}: {found}", "a folder on a local NVMe disk of every node")
    free = shutil.disk_usage(path).free / GIB
    if free < gib * ranks:
        problem = f"{path} has {free:.1f} GiB free; {ranks} ranks of nvme_gib {gib:g} need {gib * ranks:g}"
        raise SettingsError("train.zero.nvme_path", problem, "a larger disk, or a smaller nvme_gib if that is enough")
