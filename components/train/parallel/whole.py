"""Whole tensors out of what is split over the ranks, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from platen.components.train.parallel.masters import Masters
from platen.core.errors import ExportError


def whole_count(model: nn.Module) -> int:
    """Elements of all parameters of a model that are trained, split or not, counted once."""
    return sum(whole_shape(parameter).numel() for parameter in model.parameters() if parameter.requires_grad)


def whole_shape(parameter: nn.Parameter) -> torch.Size:
    """The shape of a whole parameter, which may be split."""
    shape: torch.Size = getattr(parameter, "ds_shape", parameter.shape)
    return shape


def held_counts(masters: Masters) -> list[int]:
    """Numbers that each rank's optimizer updates, padding left out. Collective."""
    counts: list[int] = [0] * dist.get_world_size()
    dist.all_gather_object(counts, sum(piece.length for piece in masters.pieces))
    return counts


@torch.no_grad()
def gather(masters: Masters, flats: Sequence[Tensor]) -> dict[str, Tensor]:
    """Whole tensors by name, on the CPU of rank 0; empty on the others. Collective, one parameter at a time.

    Args:
        masters: The layout.
        flats: Flat tensors laid out like the optimizer's: its own, or their average.

    Raises:
        ExportError: The ranks together do not hold each number once.
    """
    held = {piece.name: piece for piece in masters.saved()}
    state = {}
    for name, shape in masters.shapes.items():
        whole = torch.zeros(shape.numel(), device=masters.engine.device)
        count = torch.zeros((), dtype=torch.int64, device=whole.device)
        if piece := held.get(name):
            whole[piece.start : piece.start + piece.length] = (
                flats[piece.flat].view(-1).narrow(0, piece.offset, piece.length)
            )
            count += piece.length
        dist.reduce(whole, 0)
        dist.reduce(count, 0)
        if dist.get_rank() == 0:
            if int(count) != shape.numel():
                raise ExportError(f"{name}: the ranks hold {int(count)} numbers of its {shape.numel()}")
            state[name] = whole.view(shape).cpu()
    return state


@torch.no_grad()
def load_whole(model: nn.Module, state: dict[str, Tensor] | None) -> None:
    """Put whole tensors into a model, split or not, one at a time. Collective; only rank 0 needs to have `state`.

    Of a model that is not split, each rank's copy is made the same.
    """
    names = [set(state)] if state is not None else [set()]
    dist.broadcast_object_list(names, src=0)
    for name, parameter in model.named_parameters():
        if name in names[0]:
            with whole(parameter) as data:
                if dist.get_rank() == 0 and state is not None:
                    data.copy_(state[name])
                if not hasattr(parameter, "ds_id"):
                    dist.broadcast(data, 0)


@contextmanager
def whole(parameter: nn.Parameter) -> Iterator[Tensor]:
    """A parameter's data, whole while this lasts; what rank 0 writes to a split one is split again. Collective."""
    if not hasattr(parameter, "ds_id"):
        yield parameter.data
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
        yield parameter.data


@torch.no_grad()
def load_masters(masters: Masters, state: dict[str, Tensor] | None) -> None:
    """Put whole fp32 tensors into what the optimizer holds. Collective; only rank 0 needs to have `state`.

    DeepSpeed makes its fp32 weights from those of low precision, which have lost digits.
    """
    held = {piece.name: piece for piece in masters.pieces}
    by_flat: dict[int, list[tuple[Any, Tensor]]] = {}
    for name, shape in masters.shapes.items():
        data = torch.empty(shape.numel(), device=masters.engine.device)
        if dist.get_rank() == 0 and state is not None:
            data.copy_(state[name].reshape(-1))
        dist.broadcast(data, 0)
        if name in held:
            piece = held[name]
            by_flat.setdefault(piece.flat, []).append((piece, data[piece.start : piece.start + piece.length].clone()))
    for flat, parts in by_flat.items():
        with masters.resident(flat) as weights:
            for piece, part in parts:
                weights[piece.offset : piece.offset + piece.length] = part
    masters.refresh()
