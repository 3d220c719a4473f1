"""How many threads there are cores for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platen.components.clean_images.threads import cores, cores_of

MACHINE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("max 100000\n", None),
        ("-1\n 100000\n", None),
        ("0 100000", None),
        ("100000 0", None),
        ("100000", None),
        ("", None),
    ],
)
def test_cores_of_a_quota(quota: str, expected: int | None) -> None:
    assert cores_of(quota) == expected


def test_a_container_has_no_more_cores_than_its_quota(tmp_path: Path) -> None:
    assert cores(tmp_path) == MACHINE
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text(f"{(MACHINE + 3) * 100_000} 100000\n")
    assert cores(tmp_path) == MACHINE


def test_a_quota_in_the_files_of_the_first_version(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert cores(tmp_path) == MACHINE
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    assert cores(tmp_path) == 1
