from __future__ import annotations

import numpy as np
import pytest

from platen.components.train.optimization.decay import decay_at, exponent
from platen.components.train.optimization.settings import EmaSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build


def averaged(settings: EmaSettings, values: np.ndarray) -> float:
    average = 0.0
    for step, value in enumerate(values):
        decay = decay_at(settings, step)
        average = decay * average + (1 - decay) * value
    return average


def weights_of_steps(settings: EmaSettings, steps: int) -> np.ndarray:
    return np.array([averaged(settings, one_hot) for one_hot in np.eye(steps)])


def test_without_warm_up_the_decay_is_constant() -> None:
    assert {decay_at(EmaSettings(decay=0.99, warmup=False), step) for step in (0, 1, 10_000)} == {0.99}


def test_the_warm_up_ends_at_the_decay() -> None:
    decays = [decay_at(EmaSettings(decay=0.99), step) for step in range(2000)]
    assert decays == sorted(decays)
    assert (decays[0], decays[-1]) == (0.1, 0.99)


def test_before_the_start_the_average_is_the_weights() -> None:
    chosen = EmaSettings(decay=0.9, warmup=False, start_step=5)
    assert averaged(chosen, np.arange(5.0)) == 4
    assert averaged(chosen, np.arange(6.0)) == pytest.approx(0.9 * 4 + 0.1 * 5)


def test_a_late_start_is_the_same_schedule_later() -> None:
    for options in ({"warmup": True}, {"sigma_rel": 0.1}):
        late, early = EmaSettings(start_step=100, **options), EmaSettings(**options)
        assert [decay_at(late, 100 + step) for step in range(50)] == [decay_at(early, step) for step in range(50)]


@pytest.mark.parametrize("sigma_rel", [0.05, 0.1, 0.2, 0.28])
def test_the_power_function_average_has_the_width_that_is_set(sigma_rel: float) -> None:
    """The paper's definition, for the weights that the steps really get."""
    steps = 2000
    weights = weights_of_steps(EmaSettings(sigma_rel=sigma_rel), steps)
    when = (np.arange(steps) + 1) / steps
    mean = (weights * when).sum()
    assert weights.sum() == pytest.approx(1)
    assert np.sqrt((weights * (when - mean) ** 2).sum()) == pytest.approx(sigma_rel, rel=0.01)


def test_exponents_are_the_paper_s() -> None:
    """arXiv 2312.02696, section 3.1: gamma 16.97 and 6.94 for 5 % and 10 %."""
    assert exponent(0.05) == pytest.approx(16.97, abs=0.005)
    assert exponent(0.10) == pytest.approx(6.94, abs=0.005)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sigma_rel": 0.1, "decay": 0.99}, r"train\.ema: sigma_rel 0\.1 and decay 0\.99 are two ways to average"),
        ({"sigma_rel": 0.5}, r"train\.ema\.sigma_rel: 0\.5"),
        ({"start_step": 10_000}, r"ema\.start_step 10000 is not below steps 10000"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, {"ema": given}, "run.yaml", "train")
