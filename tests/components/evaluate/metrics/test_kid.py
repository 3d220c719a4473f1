import numpy as np

from platen.components.evaluate.distribution import kernel_distance
from platen.components.evaluate.metrics.kid import measure_kid
from platen.components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings(min_samples=20)


def normal(n, d=6, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, size=(n, d))


def test_the_kid_interval_is_about_as_wide_as_other_samples_say():
    values = [kernel_distance(normal(100, 4, 0.3, s), normal(300, 4, 0.0, s + 99), 20, 50, 0)[0] for s in range(40)]
    found = measure_kid(normal(100, 4, 0.3, 50), normal(300, 4, 0.0, 150), 50, SETTINGS)
    half = (found.high - found.low) / 2
    assert 0.7 < half / (1.96 * float(np.std(values))) < 2.5
    assert found.n == 100


def test_few_pictures_give_no_number():
    assert measure_kid(normal(19), normal(100), 50, SETTINGS).value is None
