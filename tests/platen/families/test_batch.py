"""Samples become a batch; what differs in length is padded, and its mask says where."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from platen.families.batch import stack_conditions


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_padding_is_masked_and_nothing_else_is(lengths: list[int]) -> None:
    samples = [torch.randn(length, 3) for length in lengths]
    batch = stack_conditions({"text": samples}, frozenset({"text"}))
    padded, mask = batch["text"], batch["text_mask"]
    assert padded.shape == (len(lengths), max(lengths), 3)
    assert mask.sum(1).tolist() == lengths
    assert not padded[~mask].any()
    assert all(torch.equal(padded[i][mask[i]], sample) for i, sample in enumerate(samples))


def test_what_has_one_length_is_stacked_without_a_mask_in_its_own_type() -> None:
    ids = [torch.arange(4, dtype=torch.int32)] * 2
    batch = stack_conditions({"ids": ids, "pooled": [torch.zeros(5, dtype=torch.float16)] * 2}, frozenset())
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in batch.items()} == {
        "ids": ((2, 4), torch.int32),
        "pooled": ((2, 5), torch.float16),
    }


def test_lengths_that_must_be_one_and_differ_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="equal size"):
        stack_conditions({"ids": [torch.zeros(3), torch.zeros(4)]}, frozenset())
