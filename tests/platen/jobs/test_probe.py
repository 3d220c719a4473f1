"""The probe, in a process as in its pod."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platen.core.errors import StorageError
from platen.jobs.probe import check_storage


def run(workspace: Path, needed: int, scratch: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "platen.jobs.probe", str(workspace), str(needed)],
        env={**os.environ, "PLATEN_SCRATCH": str(scratch)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_place_that_can_be_used_is_left_as_it_was(tmp_path: Path) -> None:
    ended = run(tmp_path / "ws", 1, tmp_path / "scratch")
    assert ended.returncode == 0, ended.stderr
    assert list((tmp_path / "ws").iterdir()) == []


def test_a_full_disk_is_told_with_its_numbers(tmp_path: Path) -> None:
    ended = run(tmp_path / "ws", 2**30, tmp_path / "scratch")
    assert ended.returncode == 1
    assert "GiB free on the node, 1073741824.0 GiB needed" in ended.stderr
    assert "train.job.scratch" in ended.stderr


def test_a_workspace_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "ws").write_text("a file")
    ended = run(tmp_path / "ws", 1, tmp_path / "scratch")
    assert ended.returncode == 1
    assert str(tmp_path / "ws") in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bucket_can_be_used(prefix: str) -> None:
    check_storage(prefix, 1)


def test_a_bucket_that_is_not_there_is_told(bucket: str, scratch: Path) -> None:
    with pytest.raises(Exception, match="no such bucket") as caught:
        check_storage(f"{bucket}-none/ws", 1)
    assert not isinstance(caught.value, StorageError)
