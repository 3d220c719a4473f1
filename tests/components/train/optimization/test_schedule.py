from __future__ import annotations

import pytest

from platen.components.train.optimization.schedule import learning_rate
from platen.components.train.settings import TrainSettings


def rates(**optimizer: object) -> list[float]:
    chosen = {"warmup_steps": 10, "learning_rate": 1.0, **optimizer}
    settings = TrainSettings.model_validate({"steps": 110, "optimizer": chosen})
    return [learning_rate(settings, step) for step in range(settings.steps)]


def test_linear_falls_by_the_same_each_step() -> None:
    assert rates(schedule="linear")[9:] == pytest.approx([1.0, *(1 - step / 100 for step in range(100))])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_floor_is_where_the_rate_ends(schedule: str) -> None:
    found = rates(schedule=schedule, floor=0.1)
    assert found[10] == 1.0
    assert found[-1] == pytest.approx(0.1, abs=0.01)
    assert min(found[10:]) >= 0.1


def test_a_cosine_is_halfway_down_in_the_middle() -> None:
    assert rates(schedule="cosine")[60] == pytest.approx(0.5)
    assert rates(schedule="cosine", floor=0.5)[60] == pytest.approx(0.75)
