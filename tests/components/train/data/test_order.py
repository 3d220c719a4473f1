from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.encoded import EncodedDataset
from platen.components.train.data.order import Order, build_order, micro_batches
from platen.core.stage import Folder
from tests.components.train.small_run import commit, write_encoded

sizes = st.lists(st.integers(0, 25), min_size=1, max_size=3)
worlds = st.lists(sizes, min_size=1, max_size=4).map(lambda rows: [(row * 3)[: len(rows[0])] for row in rows])


def plain(samples: int, batch: int, seed: int) -> Order:
    return Order([[range(samples)]], [Fraction(1)], batch, seed)


def mixed(world: list[list[int]], weights: list[int], batch: int, seed: int = 0) -> tuple[Order, np.ndarray]:
    """The order of samples whose number by shape and source is given, and the stream (shape, source) of each sample."""
    groups, owners = [], []
    for shape, counts in enumerate(world):
        groups.append([])
        for source, count in enumerate(counts):
            groups[-1].append(np.arange(len(owners), len(owners) + count))
            owners += [(shape, source)] * count
    return Order(groups, [Fraction(weight) for weight in weights], batch, seed), np.array(owners).reshape(-1, 2)


@given(samples=st.integers(1, 60), batch=st.integers(1, 40), seed=st.integers(0, 5), epochs=st.integers(1, 3))
def test_every_sample_once_an_epoch(samples: int, batch: int, seed: int, epochs: int) -> None:
    order = plain(samples, batch, seed)
    steps = -(-samples * epochs // batch)
    seen = np.concatenate([order.batch(step) for step in range(steps)])[: samples * epochs]
    for epoch in range(epochs):
        assert sorted(seen[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


@given(step=st.integers(0, 10_000))
def test_a_step_needs_no_state(step: int) -> None:
    assert np.array_equal(plain(37, 8, 1).batch(step), plain(37, 8, 1).batch(step))


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    first = plain(64, 64, 0)
    assert not np.array_equal(first.batch(0), first.batch(1))
    assert not np.array_equal(first.batch(0), plain(64, 64, 1).batch(0))


def test_the_order_stays_what_it_is() -> None:
    """Another order makes other models of the same settings, and breaks the resumption of every training."""
    assert plain(50, 8, 0).batch(3).tolist() == [47, 8, 35, 18, 36, 31, 22, 26]
    assert plain(10**9, 4, 1).batch(10**7).tolist() == [711647993, 595549472, 243026418, 275169362]


@given(worlds, st.lists(st.integers(0, 5), min_size=3, max_size=3), st.integers(1, 30), st.integers(0, 3))
def test_every_sample_once_an_epoch_of_its_stream(
    world: list[list[int]], weights: list[int], batch: int, seed: int
) -> None:
    weights = weights[: len(world[0])]
    if not any(weight and sum(counts) for weight, counts in zip(weights, zip(*world, strict=True), strict=True)):
        return
    order, owners = mixed(world, weights, batch, seed)
    seen = [order.batch(step) for step in range(60)]
    assert all(len({shape for shape, _ in owners[indices].tolist()}) == 1 for indices in seen)
    sequence = np.concatenate([np.sort(indices) for indices in seen])
    for sample in set(sequence.tolist()):
        fellows = np.flatnonzero((owners == owners[sample]).all(axis=1))
        times = np.bincount(sequence, minlength=len(owners))[fellows]
        assert times.max() - times.min() <= 1


@given(worlds, st.lists(st.integers(1, 5), min_size=3, max_size=3), st.integers(1, 30))
def test_sources_and_shapes_have_their_share_after_any_number_of_steps(
    world: list[list[int]], weights: list[int], batch: int
) -> None:
    weights = weights[: len(world[0])]
    totals = np.array(world).sum(axis=0)
    if not totals.any():
        return
    order, owners = mixed(world, weights, batch)
    shares = np.array([[w * n / max(t, 1) for n, w, t in zip(row, weights, totals, strict=True)] for row in world])
    shares /= shares.sum()
    steps, samples = np.zeros(len(world)), np.zeros_like(shares)
    for step in range(40):
        found = owners[order.batch(step)]
        steps[found[0, 0]] += 1
        np.add.at(samples, tuple(found.T), 1)
        assert np.abs(steps - (step + 1) * shares.sum(axis=1)).max() < 1
        for shape, row in enumerate(shares):
            if row.any():
                assert np.abs(samples[shape] - steps[shape] * batch * row / row.sum()).max() < 1


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(0, 500))
def test_any_ranks_and_micro_batch_have_the_same_global_batch(ranks: int, size: int, rounds: int, step: int) -> None:
    total = ranks * size * rounds
    order, _ = mixed([[30, 5], [7, 20]], [1, 2], total)
    batch = order.batch(step)
    shared = [micro_batches(total, size, ranks, rank) for rank in range(ranks)]
    places = [place for number in range(rounds) for mine in shared for place in mine[number]]
    assert batch[places].tolist() == batch.tolist()


@given(worlds.filter(lambda world: sum(map(sum, world)) > 0), st.integers(1, 30), st.integers(0, 10**9))
def test_an_order_that_begins_at_a_step_goes_on_as_one_that_came_there(
    world: list[list[int]], batch: int, step: int
) -> None:
    before, _ = mixed(world, [1, 1, 1][: len(world[0])], batch)
    for earlier in range(max(0, step - 3), step):
        before.batch(earlier)
    resumed, _ = mixed(world, [1, 1, 1][: len(world[0])], batch)
    assert resumed.batch(step).tolist() == before.batch(step).tolist()


def test_a_source_has_every_place_of_a_batch() -> None:
    """The timestep of a sample goes by its place: a source with places of its own would have timesteps of its own."""
    order, owners = mixed([[90, 30]], [3, 1], 4)
    places = [int(np.flatnonzero(owners[order.batch(step)][:, 1])[0]) for step in range(200)]
    assert min(places.count(place) for place in range(4)) > 30


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory: pytest.TempPathFactory) -> EncodedDataset:
    """Two sizes in two shards each, two sources."""
    folder: Folder = commit(
        lambda out: write_encoded(out, shards=4, samples=40, sizes=[(8, 8), (4, 16)], sources=["photos", "drawings"]),
        tmp_path_factory.mktemp("inputs"),
        "encode",
        "encoded",
    )
    return EncodedDataset(folder.path)


def test_an_encoded_folder_is_mixed_by_weight(two_by_two: EncodedDataset) -> None:
    order = build_order(two_by_two, {"photos": 3.0, "drawings": 1.0}, 8, 0)
    for step in range(10):
        keys = two_by_two.keys(order.batch(step))
        assert sum(int(key.split("-")[1]) % 2 == 0 for key in keys) == 6
        assert np.asarray(two_by_two.read(order.batch(step))["latents"]).shape[1:] in [(4, 8, 8), (4, 4, 16)]


def test_without_weights_each_sample_comes_once_an_epoch_of_its_size(two_by_two: EncodedDataset) -> None:
    order = build_order(two_by_two, {}, 5, 0)
    seen = np.concatenate([order.batch(step) for step in range(8)])
    assert sorted(seen.tolist()) == list(range(40))


def test_a_source_of_weight_0_is_left_out(two_by_two: EncodedDataset) -> None:
    order = build_order(two_by_two, {"photos": 0.5, "drawings": 0.0}, 4, 0)
    keys = {key for step in range(20) for key in two_by_two.keys(order.batch(step))}
    assert all(int(key.split("-")[1]) % 2 == 0 for key in keys)
    assert len(keys) == 20
