"""Train's probe, in a process as in its pod."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *nvme: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "platen.components.train.cluster.probe", str(folder / "ws"), "1", *nvme],
        env={**os.environ, "PLATEN_SCRATCH": str(folder / "scratch")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "gib", "words"),
    [("gone", "0", "no such folder on this machine"), (".", str(2**30), "this node's ranks need 1073741824.0")],
    ids=["missing", "too_small"],
)
def test_nvme_without_a_folder_or_room_is_the_users_to_put_right(
    folder: str, gib: str, words: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, str(tmp_path / folder), gib)
    assert ended.returncode == 2, ended.stderr
    assert "train.zero.nvme_path" in ended.stderr
    assert words in ended.stderr


def test_disks_that_suffice_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "nvme").mkdir()
    for nvme in ([], [str(tmp_path / "nvme"), "0"]):
        ended = run(tmp_path, *nvme)
        assert ended.returncode == 0, ended.stderr
    assert [*(tmp_path / "ws").iterdir(), *(tmp_path / "nvme").iterdir()] == []


def test_the_workspace_is_tried_as_in_every_probe(tmp_path: Path) -> None:
    (tmp_path / "ws").write_text("a file")
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert str(tmp_path / "ws") in ended.stderr
