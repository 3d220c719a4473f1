import numpy as np
import pytest
import torch

from platen.components.evaluate.distribution import frechet_distance, kernel_distance


def normal(n, d=6, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, size=(n, d))


def test_fid_of_a_set_with_itself_is_nothing():
    features = normal(200)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)


def test_fid_of_a_shifted_set_is_the_shift_squared():
    features = normal(200)
    assert frechet_distance(features + 2.0, features) == pytest.approx(6 * 4.0)


def test_fid_of_a_stretched_set_is_that_of_the_deviations():
    features = normal(200)
    wanted = ((3 - 1) ** 2) * np.trace(np.cov(features.T))
    found = frechet_distance(3 * (features - features.mean(0)), features - features.mean(0))
    assert found == pytest.approx(wanted)


def test_kid_is_the_unbiased_estimate_of_the_paper():
    left, right = normal(40, shift=0.5), normal(40, seed=1)
    kernel = lambda a, b: (a @ b.T / 6 + 1) ** 3  # noqa: E731
    same = sum(kernel(a, a).sum() - np.trace(kernel(a, a)) for a in (left, right)) / (40 * 39)
    found, deviation = kernel_distance(left, right, 3, 40, 0)
    assert found == pytest.approx(same - 2 * kernel(left, right).mean())
    assert deviation == pytest.approx(0, abs=1e-9)


def test_kid_leaves_the_random_state_as_it_was():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    first = kernel_distance(normal(40), normal(40, seed=1), 5, 20, 7)
    assert (torch.rand(2) == wanted).all()
    assert first == kernel_distance(normal(40), normal(40, seed=1), 5, 20, 7)
    assert first != kernel_distance(normal(40), normal(40, seed=1), 5, 20, 8)
