from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.data.encoded import Encoded
from platen.components.train.data.order import Order
from platen.dataset import Row, write_index
from platen.errors import InputError
from platen.stage import Folder


@given(samples=st.integers(1, 60), batch=st.integers(1, 40), seed=st.integers(0, 5), epochs=st.integers(1, 3))
def test_every_sample_once_an_epoch(samples: int, batch: int, seed: int, epochs: int) -> None:
    order = Order(samples, batch, seed)
    steps = -(-samples * epochs // batch)
    seen = np.concatenate([order.batch(step) for step in range(steps)])[: samples * epochs]
    for epoch in range(epochs):
        assert sorted(seen[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


@given(step=st.integers(0, 10_000))
def test_a_step_needs_no_state(step: int) -> None:
    assert np.array_equal(Order(37, 8, 1).batch(step), Order(37, 8, 1).batch(step))


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    first = Order(64, 64, 0)
    assert not np.array_equal(first.batch(0), first.batch(1))
    assert not np.array_equal(first.batch(0), Order(64, 64, 1).batch(0))


def test_arrays_are_mapped_and_read_by_index(encoded: Folder) -> None:
    data = Encoded(encoded.path)
    latents, text = data.read(np.array([30, 0]))
    assert len(data) == 50
    assert np.array_equal(latents[0], np.load(encoded.path / "latents" / "00001.npy")[5])
    assert np.array_equal(text[1], np.load(encoded.path / "text" / "00000.npy")[0])
    assert data.keys[30] == "1-5"


def test_no_training_sample_is_refused(tmp_path: Path) -> None:
    for part in ("latents", "text"):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "00000.npy", np.zeros((1, 4)))
    np.save(tmp_path / "unconditional.npy", np.zeros((1, 4)))
    write_index(tmp_path, "00000", [Row(key="a", caption="", split="validation")])
    with pytest.raises(InputError, match=r"no sample in the split 'train'"):
        Encoded(tmp_path)
