import numpy as np
import pytest

from platen.components.evaluate import nearest as module
from platen.components.evaluate.nearest import nearest, threshold


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
    monkeypatch.setattr(module, "BLOCK", 7)
    parts = nearest(features, features, same=True)
    assert (parts.places == whole.places).all()
    assert parts.distances == pytest.approx(whole.distances)
