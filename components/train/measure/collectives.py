"""Seconds that a rank waits in DeepSpeed's collectives.

DeepSpeed sends everything through one backend object; its methods are wrapped, and the handles that they return. (Its
own logger of communication waits for the device after every call, which would slow training down.)

On CPUs a wait blocks the process, and every one is timed. On GPUs it blocks a stream: two events tell how long, and
only in a window's first step, which stands for the others. What a second stream does at the same time is not taken off:
there the figure is the time that collectives take, also where computation hides it. Either way the rank that all others
wait for has the shortest collectives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from platen.components.train.measure.clock import COMMUNICATION, Clock

NAMES = (
    "all_gather",
    "all_gather_base",
    "all_gather_coalesced",
    "all_gather_into_tensor",
    "all_reduce",
    "all_reduce_coalesced",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "broadcast",
    "gather",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "scatter",
)
MILLI = 1e-3


class Collectives:
    """Times them, and tells a clock.

    Args:
        clock: What is told.
        device: Where this rank trains.
    """

    def __init__(self, clock: Clock, device: torch.device) -> None:
        self._clock = clock
        self._on_gpu = device.type == "cuda"
        self._sampled = False
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def watch(self, backend: Any) -> None:
        """Wrap the methods of DeepSpeed's backend (`deepspeed.comm.comm.cdb`)."""
        for name in NAMES:
            setattr(backend, name, partial(self._call, getattr(backend, name)))

    def begin_step(self, *, first: bool) -> None:
        """A step begins, the first one of a window or another."""
        self._sampled = first

    def end_window(self, steps: int) -> None:
        """Tell the clock what the sampled step of a window says of all its steps."""
        if self._events:
            self._events[-1][1].synchronize()
            seconds = sum(before.elapsed_time(after) for before, after in self._events) * MILLI
            self._clock.add(COMMUNICATION, seconds * steps)
            self._events.clear()

    def _call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        work = self._timed(function, *args, **kwargs)
        return _Handle(work, self._timed) if hasattr(work, "wait") else work

    def _timed(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._on_gpu:
            with self._clock.waiting(COMMUNICATION):
                return function(*args, **kwargs)
        if not self._sampled or self._clock.waits:
            return function(*args, **kwargs)
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        result = function(*args, **kwargs)
        after.record()
        self._events.append((before, after))
        return result


class _Handle:
    """A collective that runs; waiting for it is timed."""

    def __init__(self, work: Any, timed: Callable[..., Any]) -> None:
        self._work, self._timed = work, timed

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        return self._timed(self._work.wait, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)
