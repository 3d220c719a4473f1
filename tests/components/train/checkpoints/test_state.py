"""Numbers written by some ranks are found again by any others."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from platen.components.train.checkpoints.index import Layout, Part, parts_needed
from platen.components.train.checkpoints.state import plan_reads, stretches, write_state
from platen.components.train.parallel.masters import Piece
from platen.core.errors import StorageError
from platen.core.storage import saving

Sizes = dict[str, int]


def end_to_end(sizes: Sizes, ranks: int) -> list[list[Piece]]:
    """The pieces of each rank at stages 1 and 2: parameters end to end, cut into equal stretches."""
    total = sum(sizes.values())
    each = -(-total // ranks)
    return [list(cut(sizes, rank * each, (rank + 1) * each)) for rank in range(ranks)]


def cut(sizes: Sizes, first: int, end: int) -> Iterator[Piece]:
    place = 0
    for name, size in sizes.items():
        start, stop = max(first, place), min(end, place + size)
        if start < stop:
            yield Piece(name, start - place, stop - start, 0, start - first)
        place += size


def every_one(sizes: Sizes, ranks: int) -> list[list[Piece]]:
    """The pieces of each rank at stage 3: an equal slice of every parameter, padded."""
    parts: list[list[Piece]] = [[] for _ in range(ranks)]
    offset = 0
    for name, size in sizes.items():
        slice_ = -(-size // ranks)
        for rank in range(ranks):
            held = min(slice_, size - rank * slice_)
            if held > 0:
                parts[rank].append(Piece(name, rank * slice_, held, 0, offset))
        offset += slice_
    return parts


SPLITS = st.sampled_from([end_to_end, every_one])


@given(
    sizes=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(1, 40), min_size=1, max_size=6),
    before=SPLITS, after=SPLITS, writers=st.integers(1, 6), readers=st.integers(1, 6),
)  # fmt: skip
def test_every_number_comes_back(sizes: Sizes, before, after, writers: int, readers: int) -> None:  # type: ignore[no-untyped-def]
    whole = {name: [(name, place) for place in range(size)] for name, size in sizes.items()}
    written = before(sizes, writers)
    saved = [[number for p in part for number in whole[p.name][p.start : p.start + p.length]] for part in written]
    layout = Layout(parts=[Part(stretches=stretches(part), updates=1, scaler={}) for part in written], sizes=sizes)
    for pieces in after(sizes, readers):
        reads = plan_reads(layout, pieces)
        got = {read.offset + i: saved[read.rank][read.at + i] for read in reads for i in range(read.length)}
        expected = {p.offset + i: whole[p.name][p.start + i] for p in pieces for i in range(p.length)}
        assert got == expected
        assert {read.rank for read in reads} == set(parts_needed(layout, stretches(pieces)))


def test_what_is_written_is_a_safetensors_file(tmp_path: Path) -> None:
    tensors = {"weight": torch.arange(5.0), "average": torch.randn(3_000_000), "none": torch.empty(0)}
    file = write_state(tensors, tmp_path / "rank-0" / "state.safetensors")
    path = tmp_path / "rank-0" / "state.safetensors"
    read = load_file(path)
    assert all(read[name].equal(tensor) for name, tensor in tensors.items())
    assert (file.size, file.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


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


def test_a_full_disk_is_told(small_disk: Path) -> None:
    words = "no space left; free some, or set another PLATEN_SCRATCH"
    with pytest.raises(StorageError, match=words), saving(str(small_disk), "PLATEN_SCRATCH"):
        write_state({"weight": torch.zeros(1_000_000)}, small_disk / "state.safetensors")
