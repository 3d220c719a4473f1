"""Conditions of samples as the denoiser reads them, with captions that are dropped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from platen.artifacts.dataset import Row
from platen.artifacts.encoded import (
    LATENTS,
    EncodedDataset,
    EncodedRecord,
    describe_arrays,
    write_empty_caption,
    write_shard,
)
from platen.components.train.data.batch import batch_conditions, move_conditions

VARYING = frozenset({"text"})
LENGTHS = (3, 1, 5)
EMPTY = {"text": np.full((2, 4), 9, np.float16), "pooled": np.full(6, 8, np.float16)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> EncodedDataset:
    """Three samples with captions of their own lengths, and a vector of one length."""
    folder = tmp_path_factory.mktemp("encoded")
    arrays = {
        LATENTS: np.zeros((3, 4, 2, 2), np.float32),
        "text": [np.full((length, 4), i, np.float16) for i, length in enumerate(LENGTHS)],
        "pooled": np.arange(18, dtype=np.float16).reshape(3, 6),
    }
    write_empty_caption(folder, EMPTY)
    write_shard(
        folder, "00000", arrays, [Row(str(i), "", split="train", width=16, height=16) for i in range(3)], VARYING
    )
    described = describe_arrays(folder, VARYING)
    EncodedRecord(family="f", text="embeddings", max_tokens=8, resolution=16, arrays=described).write(folder)
    return EncodedDataset(folder)


def test_captions_are_padded_to_the_longest_that_is_left(data: EncodedDataset) -> None:
    read = data.read([0, 1, 2])
    whole = batch_conditions(data, read, [False] * 3)
    assert whole["text"].shape == (3, 5, 4)
    assert whole["text_mask"].sum(1).tolist() == list(LENGTHS)
    shorter = batch_conditions(data, data.read([0, 1, 2]), [False, False, True])
    assert shorter["text_mask"].sum(1).tolist() == [3, 1, 2]
    assert shorter["text"].shape == (3, 3, 4)


def test_a_dropped_caption_is_the_empty_one_in_every_condition(data: EncodedDataset) -> None:
    found = batch_conditions(data, data.read([0, 1, 2]), [False, True, False])
    assert torch.equal(found["text"][1][found["text_mask"][1]], torch.from_numpy(EMPTY["text"]))
    assert torch.equal(found["pooled"][1], torch.from_numpy(EMPTY["pooled"]))
    assert torch.equal(found["pooled"][[0, 2]], torch.arange(18).half().view(3, 6)[[0, 2]])
    assert found["text"].dtype == torch.float16


def test_dropping_changes_nothing_of_what_is_read_next(data: EncodedDataset) -> None:
    batch_conditions(data, data.read([0, 1, 2]), [True] * 3)
    again = batch_conditions(data, data.read([0, 1, 2]), [False] * 3)
    assert torch.equal(again["pooled"], torch.arange(18).half().view(3, 6))


def test_ids_and_masks_keep_their_type_on_the_way_to_a_device() -> None:
    given = {"text": torch.ones(2, 3), "ids": torch.ones(2, 3, dtype=torch.int32), "text_mask": torch.ones(2, 3) > 0}
    moved = move_conditions(given, "cpu", torch.bfloat16)
    assert [moved[name].dtype for name in given] == [torch.bfloat16, torch.int32, torch.bool]
