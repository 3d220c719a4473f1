import numpy as np
import pytest

from platen.components.evaluate.metrics.memorised import measure_share
from platen.components.evaluate.nearest import nearest, threshold
from platen.components.evaluate.settings import EvaluateSettings


def test_planted_copies_are_found():
    generator = np.random.default_rng(1)
    training, fresh = generator.normal(size=(200, 8)), generator.normal(size=(60, 8))
    made = np.concatenate([training[:20] * 1.0001, fresh])
    settings = EvaluateSettings(min_samples=20)
    limit = threshold(training, 0.01)
    metric = measure_share(nearest(made, training), limit, "", settings)
    assert metric.value == pytest.approx(20 / 80, abs=0.03)
    assert metric.low < 0.25 < metric.high


def test_nothing_to_compare_gives_no_number():
    found = nearest(np.zeros((0, 2)), np.eye(2))
    assert measure_share(found, 0.1, "", EvaluateSettings()).value is None
