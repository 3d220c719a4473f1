"""Traces of steps that are no training's."""

from __future__ import annotations

import gzip
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from platen.components.train.measure.settings import TraceSettings
from platen.components.train.measure.trace import Tracer
from platen.core.storage import store_for


def train(tracer: Tracer, steps: range) -> None:
    for step in steps:
        tracer.step(step)
        torch.full((3, 3), float(step)) @ torch.ones(3, 3)


def products(path: Path) -> int:
    """How many products of matrices a trace holds."""
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return sum(event.get("name") == "aten::mm" for event in events)


def test_the_steps_of_the_settings_are_traced(tmp_path: Path) -> None:
    tracer = Tracer(TraceSettings(first_step=2, steps=3), str(tmp_path), tmp_path / "desk", rank=0)
    train(tracer, range(8))
    (path,) = (tmp_path / "traces").iterdir()
    assert path.name == "step-00000002-rank-0.json.gz"
    assert products(path) == 3
    assert not (tmp_path / "desk").exists()


def test_ranks_that_are_not_asked_are_not_traced(tmp_path: Path) -> None:
    train(Tracer(TraceSettings(first_step=0), str(tmp_path), tmp_path, rank=1), range(4))
    train(Tracer(None, str(tmp_path), tmp_path, rank=0), range(4))
    assert not (tmp_path / "traces").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_a_signal_asks_for_the_next_steps(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    tracer = Tracer(None, str(tmp_path), tmp_path, rank=1)
    try:
        tracer.listen()
        train(tracer, range(2))
        os.kill(os.getpid(), signal.SIGUSR1)
        train(tracer, range(2, 4))
        assert tracer.runs
        tracer.end()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert products(tmp_path / "traces" / "step-00000002-rank-1.json.gz") == 2


def test_a_trace_reaches_a_bucket(prefix: str, tmp_path: Path) -> None:
    train(Tracer(TraceSettings(first_step=0, steps=1), prefix, tmp_path, rank=0), range(2))
    name = "step-00000000-rank-0.json.gz"
    assert not (tmp_path / name).exists()
    store_for(prefix).get(f"{prefix}/traces/{name}", tmp_path / name)
    assert products(tmp_path / name) == 1
