"""Bytes by part, of a real engine's like and of a real step."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from platen.components.train.measure.memory import StepPeak, bytes_by_part, highest
from platen.components.train.optimization.ema import Ema
from platen.components.train.optimization.settings import EmaSettings
from platen.components.train.parallel.masters import Whole


def test_every_byte_belongs_to_one_part() -> None:
    model = nn.Linear(100, 10, bias=False)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 100)).sum().backward()
    optimizer.step()
    ema = Ema(Whole(SimpleNamespace(module=model, optimizer=optimizer)), EmaSettings())
    found = bytes_by_part(ema)
    moments, count = 2 * 4000, 4
    assert found == {"parameters": 4000, "ema": 4000, "optimizer": moments + count, "gradients": 4000}


def test_the_peak_of_a_step_is_what_it_held_at_most() -> None:
    peak = StepPeak(torch.device("cpu"))
    standing = torch.ones(1000)
    peak.begin()
    for _ in range(3):
        held = standing + 1
        del held
    both = standing + 1, standing + 2
    peak.end()
    assert len(both) == 2
    assert 8000 <= (peak.beyond(4000) or 0) < 8200


def test_only_one_step_is_watched() -> None:
    peak = StepPeak(torch.device("cpu"))
    assert peak.beyond(0) is None
    peak.begin()
    peak.end()
    peak.begin()
    kept = torch.ones(1000)
    peak.end()
    assert (len(kept), peak.beyond(0)) == (1000, 0)


def test_what_was_freed_makes_room() -> None:
    assert highest([5, 5, -10, 7, 2]) == 10
    assert highest([-5, 3]) == 0
