import numpy as np
import pytest

from platen.components.evaluate import memorisation
from platen.components.evaluate.memorisation import nearest, threshold
from platen.components.evaluate.settings import EvaluateSettings


def around(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * 7


def test_the_nearest_is_by_angle():
    found = nearest(around(11, 89), around(0, 90, 10))
    assert found.places.tolist() == [2, 1]
    assert found.distances == pytest.approx([1 - np.cos(np.radians(1))] * 2)


def test_a_training_picture_is_not_its_own_neighbour():
    found = nearest(around(0, 10, 40), around(0, 10, 40), same=True)
    assert found.places.tolist() == [1, 0, 1]
    assert threshold(around(0, 10, 40), 0.5) == pytest.approx(1 - np.cos(np.radians(10)))


def test_blocks_make_no_difference(monkeypatch):
    features = np.random.default_rng(0).normal(size=(50, 4))
    whole = nearest(features, features, same=True)
    monkeypatch.setattr(memorisation, "BLOCK", 7)
    parts = nearest(features, features, same=True)
    assert (parts.places == whole.places).all()
    assert parts.distances == pytest.approx(whole.distances)


def test_planted_copies_are_found():
    generator = np.random.default_rng(1)
    training, fresh = generator.normal(size=(200, 8)), generator.normal(size=(60, 8))
    made = np.concatenate([training[:20] * 1.0001, fresh])
    settings = EvaluateSettings(min_samples=20)
    limit = threshold(training, 0.01)
    metric = memorisation.measure(nearest(made, training), limit, "lower", "", settings)
    assert metric.value == pytest.approx(20 / 80, abs=0.03)
    assert metric.low < 0.25 < metric.high


def test_nothing_to_compare_gives_no_number():
    found = nearest(np.zeros((0, 2)), around(0, 10))
    assert memorisation.measure(found, 0.1, "lower", "", EvaluateSettings()).value is None
