"""Thumbnails of clean_images."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from platen.components.merge.join import Candidate
from platen.components.merge.thumbnails import Thumbnails
from platen.core.errors import CorruptError


def candidate(shard: str, position: int) -> Candidate:
    return Candidate("k", "", "", shard, position, "", 0, 1.0)


@contextmanager
def open_files(most: int) -> Iterator[None]:
    """The limit of what this process may have open at a time."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_by_shard_and_position(tmp_path: Path) -> None:
    (tmp_path / "thumbnails").mkdir()
    for number in range(2):
        np.save(tmp_path / "thumbnails" / f"0000{number}.npy", np.full((3, 2, 2, 3), 10 * number, np.uint8))
    found = Thumbnails(tmp_path)([candidate("00001", 2), candidate("00000", 0)])
    assert found.shape == (2, 2, 2, 3)
    assert found[:, 0, 0, 0].tolist() == [10, 0]
    with pytest.raises(CorruptError, match="fewer thumbnails"):
        Thumbnails(tmp_path)([candidate("00000", 3)])


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01\x00v\x00{"], ids=["missing", "empty", "truncated"])
def test_not_an_array(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "thumbnails").mkdir()
    if content is not None:
        (tmp_path / "thumbnails" / "00000.npy").write_bytes(content)
    with pytest.raises(CorruptError, match=r"00000\.npy: not an array"):
        Thumbnails(tmp_path)([candidate("00000", 0)])


def test_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    (tmp_path / "thumbnails").mkdir()
    shards = [f"{number:05d}" for number in range(200)]
    for number, shard in enumerate(shards):
        np.save(tmp_path / "thumbnails" / f"{shard}.npy", np.full((2, 2, 2, 3), number, np.uint8))
    thumbnails = Thumbnails(tmp_path)
    with open_files(128):
        found = thumbnails([candidate(shard, position) for position in (1, 0) for shard in reversed(shards)])
    assert found[:, 0, 0, 0].tolist() == [*range(199, -1, -1)] * 2


def test_a_machine_that_opens_no_more_files_is_no_fault_of_the_thumbnails(tmp_path: Path) -> None:
    (tmp_path / "thumbnails").mkdir()
    np.save(tmp_path / "thumbnails" / "00000.npy", np.zeros((2, 2, 2, 3), np.uint8))
    with open_files(0), pytest.raises(OSError, match="Too many open files"):
        Thumbnails(tmp_path)([candidate("00000", 0)])
