from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from platen.components.train.data.permutation import keys_of, shuffled


def permutation(samples: int, seed: int, epoch: int = 0, stream: int = 0) -> np.ndarray:
    return shuffled(samples, np.arange(samples), keys_of(seed, stream, np.full(samples, epoch)))


@given(samples=st.integers(1, 5000), seed=st.integers(0, 2**63), epoch=st.integers(0, 10**6))
def test_every_number_has_one_place(samples: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(samples, seed, epoch)) == list(range(samples))


@given(samples=st.integers(1, 10**12), places=st.lists(st.integers(0, 10**12 - 1), max_size=20))
def test_a_place_leads_to_the_same_number_in_any_company(samples: int, places: list[int]) -> None:
    asked = np.array([place % samples for place in places], np.int64)
    together = shuffled(samples, asked, keys_of(7, 0, np.zeros(len(asked), np.int64)))
    alone = [int(shuffled(samples, asked[[n]], keys_of(7, 0, np.zeros(1, np.int64)))[0]) for n in range(len(asked))]
    assert together.tolist() == alone
    assert len(set(together.tolist())) == len(set(asked.tolist()))


def test_epochs_seeds_and_streams_are_shuffled_differently() -> None:
    first = permutation(64, 0)
    for other in (permutation(64, 0, epoch=1), permutation(64, 1), permutation(64, 0, stream=1)):
        assert (first == other).mean() < 0.2


def test_all_orders_of_four_come_equally_often() -> None:
    """As from a true shuffle: 24 orders in 12,000 epochs."""
    asked, epochs = np.tile(np.arange(4), 12_000), np.repeat(np.arange(12_000), 4)
    found = shuffled(4, asked, keys_of(0, 0, epochs)).reshape(-1, 4)
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert len(counts) == 24
    assert chisquare(counts).pvalue > 1e-3


def test_neighbours_are_not_neighbours_afterwards() -> None:
    """Distances of samples that follow each other are spread as those of random pairs: triangular."""
    found = permutation(100_000, 3)
    distances = np.abs(np.diff(found)) / len(found)
    bins = np.linspace(0, 1, 11)
    expected = (2 * bins - bins**2)[1:] - (2 * bins - bins**2)[:-1]
    assert chisquare(np.histogram(distances, bins)[0], expected * len(distances)).pvalue > 1e-3
