"""Live bytes of a rank by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.masters import Masters

PARTS = ("parameters", "ema", "optimizer", "gradients")


def bytes_by_part(ema: Ema, device: str | None = None) -> dict[str, int]:
    """Bytes of the tensors that stand between two steps, each storage counted once.

    Args:
        ema: The average of what is trained.
        device: Only those on this type of device, as cuda; None: also what is offloaded.
    """
    seen: set[int] = set()
    masters, engine = ema.masters, ema.masters.engine
    parts = (parameters(engine), tensors(ema.flats), optimizer(masters), gradients(engine))
    return {
        name: _bytes((tensor for tensor in found if device in (None, tensor.device.type)), seen)
        for name, found in zip(PARTS, parts, strict=True)
    }


def parameters(engine: Any) -> Iterator[Tensor]:
    """The weights that a rank computes with, or its slices of them."""
    for parameter in engine.module.parameters():
        yield parameter.data
        yield from tensors(getattr(parameter, "ds_tensor", None))


def optimizer(masters: Masters) -> Iterator[Tensor]:
    """What the optimizer updates (fp32 weights) and what it remembers; in fp32 at stage 0 the first are the model's."""
    yield from tensors(list(masters.keys))
    yield from tensors(list(masters.inner.state.values()))


def gradients(engine: Any) -> Iterator[Tensor]:
    """Gradients, DeepSpeed's own partitions and buckets of them."""
    for parameter in engine.module.parameters():
        yield from tensors(parameter.grad)
    named = vars(engine.optimizer) if hasattr(engine.optimizer, "__dict__") else {}
    for name, value in named.items():
        if "grad" in name or "bucket" in name:
            yield from tensors(value)


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in lists and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from (tensor for item in value.values() for tensor in tensors(item))
    elif isinstance(value, list | tuple):
        yield from (tensor for item in value for tensor in tensors(item))


def _bytes(found: Iterable[Tensor], seen: set[int]) -> int:
    total = 0
    for tensor in found:
        storage = tensor.untyped_storage()
        if storage.nbytes() and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total


class StepPeak:
    """How much the allocations of a step go beyond what stood when it began: activations, workspace, whole weights.

    On GPUs the allocator tells; on CPUs the profiler's record of allocations in one step does.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._profiler: Any = None
        self._bytes: int | None = None

    def begin(self) -> None:
        """The one step that a CPU is watched in begins; on a GPU what building took counts no more."""
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
        elif self._bytes is None:
            self._profiler = torch.autograd.profiler.profile(profile_memory=True, use_kineto=True)
            self._profiler.__enter__()

    def end(self) -> None:
        """It is over."""
        if self._profiler is not None:
            self._profiler.__exit__(None, None, None)
            self._bytes = highest(
                event.nbytes() for event in self._profiler.kineto_results.events() if _is_memory(event)
            )
            self._profiler = None

    def beyond(self, standing: int) -> int | None:
        """Bytes beyond those that stand on the device; None where they are not known yet."""
        return max(torch.cuda.max_memory_allocated() - standing, 0) if self._on_gpu else self._bytes


def _is_memory(event: Any) -> bool:
    return bool(event.name() == "[memory]")


def highest(changes: Iterable[int]) -> int:
    """The highest sum on the way, from 0, of allocations (positive) and what was freed (negative)."""
    now = top = 0
    for change in changes:
        now += change
        top = max(top, now)
    return top
