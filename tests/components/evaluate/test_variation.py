import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.evaluate.variation import Way, distance_interval, total_variation

EVEN = np.full(8, 1 / 8)
SKEWED = EVEN + 0.175 * np.array([1, 1, 1, 1, -1, -1, -1, -1]) / 4
ONE_TOO_MANY = EVEN + 0.175 * np.array([7, -1, -1, -1, -1, -1, -1, -1]) / 7
counts = st.lists(st.integers(0, 40), min_size=3, max_size=3).filter(any)
references = (
    st.lists(st.integers(0, 9), min_size=3, max_size=3).filter(any).map(lambda parts: np.array(parts) / sum(parts))
)


def intervals(distribution, n, models=100):
    """The intervals of so many models whose pictures have this distribution."""
    drawn = np.random.default_rng(0).multinomial(n, distribution, models)
    return np.array([distance_interval(row.tolist(), EVEN, 0.95, 300, 0) for row in drawn])


def test_total_variation_is_between_nothing_and_one():
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0
    assert total_variation(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == 0.25


@pytest.mark.parametrize("n", [24, 96])
def test_a_model_without_bias_is_not_accused(n):
    assert (intervals(EVEN, n)[:, 0] == 0).mean() >= 0.9


@pytest.mark.parametrize("n", [24, 96])
@pytest.mark.parametrize("distribution", [SKEWED, ONE_TOO_MANY], ids=["four_of_eight", "one_of_eight"])
def test_the_interval_covers_the_true_distance(n, distribution):
    low, high = intervals(distribution, n).T
    assert ((low <= 0.175) & (high >= 0.175)).mean() >= 0.9


def test_a_bias_is_found_where_there_are_enough_pictures():
    assert (intervals(SKEWED, 400, 40)[:, 0] > 0).mean() >= 0.9


@given(counts, references)
def test_the_value_lies_within_its_interval(found, reference):
    value = total_variation(np.array(found) / sum(found), reference)
    low, high = distance_interval(found, reference, 0.95, 100, 0)
    assert 0 <= low <= value + 1e-9 and value - 1e-9 <= high <= 1


@given(counts, references, st.floats(0, 1))
def test_what_lies_on_the_way_is_a_distribution_at_its_distance(found, reference, part):
    way = Way.through(np.array(found) / sum(found), reference)
    distance = part * way.furthest
    there = way.at(distance)
    assert there.min() >= -1e-12 and there.sum() == pytest.approx(1)
    assert total_variation(there, reference) == pytest.approx(distance, abs=1e-8)


def test_the_same_seed_gives_the_same_interval():
    assert distance_interval([30, 10], np.array([0.5, 0.5]), 0.95, 100, 3) == distance_interval(
        [30, 10], np.array([0.5, 0.5]), 0.95, 100, 3
    )
