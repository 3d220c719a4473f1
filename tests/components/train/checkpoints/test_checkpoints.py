from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from platen.errors import StorageError
from platen.storage import saving


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB: full is full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], check=False)
    if done.returncode:
        pytest.skip("this machine does not let root mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_though_torch_does_not(small_disk: Path) -> None:
    import torch

    from platen.components.train.checkpoints.checkpoints import full_disk_told

    words = r"disk: no space left; free some, or set another PLATEN_SCRATCH"
    with pytest.raises(StorageError, match=words), saving("", "PLATEN_SCRATCH"), full_disk_told(small_disk):
        torch.save(torch.zeros(1_000_000), small_disk / "ema.pt")


def test_what_torch_says_of_anything_else_stays(tmp_path: Path) -> None:
    from platen.components.train.checkpoints.checkpoints import full_disk_told

    with pytest.raises(RuntimeError, match="something else"), full_disk_told(tmp_path):
        raise RuntimeError("something else")
