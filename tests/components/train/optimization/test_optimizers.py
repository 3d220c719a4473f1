from __future__ import annotations

from torch import nn

from platen.components.train.optimization.optimizers import build_optimizer
from platen.components.train.optimization.settings import OptimizerSettings


def test_only_what_is_trained_is_updated() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    optimizer = build_optimizer(OptimizerSettings(betas=(0.8, 0.9)), model)
    assert [*map(id, optimizer.param_groups[0]["params"])] == [*map(id, model[1].parameters())]
    assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)
