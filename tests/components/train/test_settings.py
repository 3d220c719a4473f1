from __future__ import annotations

import pytest

from platen.components.train.schedule import learning_rate
from platen.components.train.settings import TrainSettings
from platen.errors import SettingsError
from platen.settings import build


def test_a_batch_that_does_not_divide_is_refused_with_its_numbers() -> None:
    with pytest.raises(SettingsError, match=r"global_batch 30 is not divisible by ranks 2 x micro_batch 8"):
        build(TrainSettings, {"global_batch": 30}, "run.yaml", "train")


def test_precision_names_what_is_accepted() -> None:
    with pytest.raises(SettingsError, match=r"run\.yaml: train\.precision: 'fp16'.*Accepted: fp32 or bf16"):
        build(TrainSettings, {"precision": "fp16"}, "run.yaml", "train")


def test_the_learning_rate_rises_and_falls() -> None:
    chosen = TrainSettings(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(chosen, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01


def test_a_constant_schedule_stays() -> None:
    chosen = TrainSettings(schedule="constant", warmup_steps=0, learning_rate=0.5)
    assert {learning_rate(chosen, step) for step in range(0, 10_000, 1000)} == {0.5}
