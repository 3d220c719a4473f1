"""Waits for other ranks, timed in whatever a backend returns."""

from __future__ import annotations

import time
from types import SimpleNamespace

import torch

from platen.components.train.measure.clock import Clock
from platen.components.train.measure.collectives import NAMES, Collectives

SLOW = 0.02


class Handle:
    """A collective that runs on after its call."""

    done = "yes"

    def wait(self, timeout: float | None = None) -> str:
        time.sleep(SLOW)
        return f"waited {timeout}"


def watched(**methods: object) -> tuple[Clock, SimpleNamespace]:
    clock = Clock()
    backend = SimpleNamespace(**{name: methods.get(name, lambda *args, **kwargs: None) for name in NAMES})
    Collectives(clock, torch.device("cpu")).watch(backend)
    clock.start()
    return clock, backend


def test_a_call_that_blocks_is_timed_and_returns_what_it_returned() -> None:
    clock, backend = watched(barrier=lambda group=None: time.sleep(SLOW) or group)
    assert backend.barrier(group="all") == "all"
    found = clock.end()
    assert SLOW <= found.communication <= found.wall


def test_a_call_that_runs_on_is_timed_where_it_is_waited_for() -> None:
    clock, backend = watched(all_reduce=lambda tensor: Handle())
    work = backend.all_reduce(torch.ones(1))
    time.sleep(SLOW)  # computing meanwhile
    assert (work.wait(3.0), work.done) == ("waited 3.0", "yes")
    found = clock.end()
    assert SLOW <= found.communication < found.wall - SLOW / 2


def test_deepspeed_s_backend_has_every_collective_that_is_watched() -> None:
    from deepspeed.comm.torch import TorchBackend

    assert [name for name in NAMES if not callable(getattr(TorchBackend, name, None))] == []
