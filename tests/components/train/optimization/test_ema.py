"""The average of what an optimizer holds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from platen.components.train.optimization.ema import Ema
from platen.components.train.optimization.settings import EmaSettings
from platen.components.train.parallel.masters import Whole


def averaged(settings: EmaSettings, path: list[float]) -> tuple[float, float]:
    """What an average says of a weight that takes these values, and torch's own."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(path[0])
    ema = Ema(Whole(SimpleNamespace(module=model, optimizer=torch.optim.SGD(model.parameters(), 1.0))), settings)
    theirs = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.decay)
    )
    theirs.update_parameters(model)  # the first one copies
    for step, value in enumerate(path[1:]):
        model.weight.data.fill_(value)
        ema.update(step)
        theirs.update_parameters(model)
    return float(ema.flats[0]), float(next(theirs.parameters()).detach())


def test_it_is_torch_s_own_average() -> None:
    ours, theirs = averaged(EmaSettings(decay=0.9, warmup=False), [1.0, 2.0, -3.0, 5.0])
    assert ours == pytest.approx(theirs)


def test_before_its_start_it_follows_the_weights() -> None:
    ours, _ = averaged(EmaSettings(decay=0.9, warmup=False, start_step=3), [1.0, 2.0, -3.0, 5.0])
    assert ours == 5.0


def test_it_keeps_its_numbers_for_itself() -> None:
    model = nn.Linear(2, 2)
    ema = Ema(Whole(SimpleNamespace(module=model, optimizer=torch.optim.SGD(model.parameters(), 1.0))), EmaSettings())
    before = [flat.clone() for flat in ema.flats]
    model.weight.data.add_(1)
    assert all(torch.equal(flat.view(-1), old.view(-1)) for flat, old in zip(ema.flats, before, strict=True))
    ema.flats[0].zero_()
    assert model.weight.any()
