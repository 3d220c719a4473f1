import math

import numpy as np
import pytest

from platen.components.evaluate.distribution import frechet_distance
from platen.components.evaluate.metrics.fid import measure_fid
from platen.components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings(min_samples=20)


def normal(n, d=6, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, size=(n, d))


def test_the_fid_interval_covers_what_other_samples_give():
    values = [frechet_distance(normal(100, 4, 1.0, seed), normal(300, 4, 0.0, seed + 99)) for seed in range(40)]
    found = measure_fid(normal(100, 4, 1.0, 50), normal(300, 4, 0.0, 150), SETTINGS)
    spread = 1.96 * float(np.std(values))
    assert found.high - found.value == pytest.approx(spread, rel=0.6)
    assert "too high by about" in found.note


def test_few_pictures_give_no_number_and_fewer_than_features_a_note():
    assert measure_fid(normal(19), normal(100), SETTINGS).value is None
    assert measure_fid(normal(100), normal(19), SETTINGS).note.startswith("insufficient data: 19 real pictures")
    short = measure_fid(normal(24, 32), normal(100, 32), SETTINGS)
    assert math.isfinite(short.value)
    assert "fewer pictures than the 32 features" in short.note
