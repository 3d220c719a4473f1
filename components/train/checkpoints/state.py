"""What a rank's optimizer holds, as a file, and back: weights, moments and average, in fp32.

The file is in the safetensors format. Each of its tensors has the rank's stretches end to end, without padding, so that
any number of ranks, at any stage, can read what they need of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from platen.components.train.checkpoints.index import STATE, Layout, Stretch
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.masters import Masters, Piece
from platen.core.manifest import File

WEIGHT, AVERAGE = "weight", "average"  # the optimizer's moments have its own names for them
CHUNK = 1 << 22  # bytes


class Snapshot:
    """A copy of what a rank saves, in this machine's memory; training goes on while it is written.

    The memory is kept for the next one.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, masters: Masters, ema: Ema) -> None:
        """Copy all."""
        total = sum(piece.length for piece in masters.saved())
        for flat, at, pieces in by_flat(masters.saved()):
            with masters.resident(flat) as weights:
                found = {WEIGHT: weights, AVERAGE: ema.flats[flat].view(-1), **masters.moments(flat)}
                for name, numbers in found.items():
                    copy = self._room(name, total, numbers)
                    for place, piece in zip(at, pieces, strict=True):
                        part = numbers[piece.offset : piece.offset + piece.length]
                        copy[place : place + piece.length].copy_(part, non_blocking=True)
        if masters.engine.device.type == "cuda":
            torch.cuda.synchronize()

    def _room(self, name: str, total: int, like: Tensor) -> Tensor:
        if name not in self.tensors or self.tensors[name].numel() != total:
            self.tensors[name] = torch.empty(total, dtype=like.dtype, pin_memory=like.is_cuda)
        return self.tensors[name]


def by_flat(pieces: Sequence[Piece]) -> Iterator[tuple[int, list[int], list[Piece]]]:
    """Each flat tensor with its pieces, and where each of them begins in what is saved."""
    found: dict[int, tuple[list[int], list[Piece]]] = {}
    place = 0
    for piece in pieces:
        at, held = found.setdefault(piece.flat, ([], []))
        at.append(place)
        held.append(piece)
        place += piece.length
    for flat, (at, held) in found.items():
        yield flat, at, held


def write_state(tensors: Mapping[str, Tensor], path: Path) -> File:
    """Write CPU tensors as a safetensors file, hashed as they go by: nothing is copied or read again."""
    header: dict[str, object] = {}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": "F32", "shape": [tensor.numel()], "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for block in chain([len(text).to_bytes(8, "little"), text], blocks(tensors.values())):
            file.write(block)
            digest.update(block)
        size = file.tell()
    return File(path=STATE, size=size, sha256=digest.hexdigest())


def blocks(tensors: Iterable[Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of tensors, some at a time."""
    for tensor in tensors:
        data: memoryview = tensor.numpy().data.cast("B") if tensor.numel() else memoryview(b"")
        for begin in range(0, len(data), CHUNK):
            yield data[begin : begin + CHUNK]


@dataclass(frozen=True)
class Read:
    """`length` numbers at `at` of what a rank saved, to go to `offset` of a flat tensor."""

    rank: int
    at: int
    length: int
    flat: int
    offset: int


def plan_reads(layout: Layout, pieces: Sequence[Piece]) -> list[Read]:
    """Where the numbers that this rank holds now lie in what was saved."""
    mine = {piece.name: piece for piece in pieces}
    reads = []
    for rank, part in enumerate(layout.parts):
        place = 0
        for name, start, length in part.stretches:
            piece = mine.get(name)
            first = max(start, piece.start) if piece else 0
            end = min(start + length, piece.start + piece.length) if piece else 0
            if piece and first < end:
                offset = piece.offset + first - piece.start
                reads.append(Read(rank, place + first - start, end - first, piece.flat, offset))
            place += length
    return reads


@torch.no_grad()
def load_state(masters: Masters, ema: Ema, layout: Layout, files: Mapping[int, Path]) -> None:
    """Put what was saved into what this rank's optimizer and average hold. Collective.

    Args:
        masters: What the optimizer holds.
        ema: The average.
        layout: What was saved by whom.
        files: The files of the ranks that are needed.
    """
    from safetensors import safe_open

    reads: dict[int, list[Read]] = {}
    for read in plan_reads(layout, masters.pieces):
        reads.setdefault(read.flat, []).append(read)
    opened: dict[int, Any] = {rank: safe_open(path, framework="pt") for rank, path in files.items()}
    names = sorted(next(iter(opened.values())).keys()) if opened else []
    for flat in range(len(masters.keys)):
        with masters.resident(flat) as weights:
            moments = {name: torch.zeros_like(weights) for name in names if name not in (WEIGHT, AVERAGE)}
            into = {WEIGHT: weights, AVERAGE: ema.flats[flat].view(-1), **moments}
            for read in reads.get(flat, []):
                for name, numbers in into.items():
                    found = opened[read.rank].get_slice(name)[read.at : read.at + read.length]
                    numbers[read.offset : read.offset + read.length] = found
            if moments:
                masters.set_moments(flat, moments, layout.parts[0].updates)
    masters.set_scaler(layout.parts[0].scaler)
    masters.refresh()


def stretches(pieces: Sequence[Piece]) -> list[Stretch]:
    """What a rank's pieces are, without where it has them."""
    return [(piece.name, piece.start, piece.length) for piece in pieces]
