"""Latents as tokens, held against what FLUX's own pipeline does."""

from __future__ import annotations

import pytest
import torch
from diffusers import FluxPipeline
from hypothesis import given
from hypothesis import strategies as st

from platen.families.packing import pack, unpack

SIDES = st.integers(1, 5).map(lambda half: 2 * half)


@given(n=st.integers(1, 3), channels=st.integers(1, 5), height=SIDES, width=SIDES)
def test_any_latents_come_back(n: int, channels: int, height: int, width: int) -> None:
    latents = torch.randn(n, channels, height, width)
    tokens = pack(latents)
    assert tokens.shape == (n, height * width // 4, channels * 4)
    assert torch.equal(unpack(tokens, height, width), latents)


@pytest.mark.parametrize("size", [(4, 4), (6, 2), (2, 8)])
def test_tokens_are_those_of_diffusers(size: tuple[int, int]) -> None:
    latents = torch.randn(2, 3, *size)
    theirs = FluxPipeline._pack_latents(latents, 2, 3, *size)
    assert torch.equal(pack(latents), theirs)
    assert torch.equal(FluxPipeline._unpack_latents(theirs, 8 * size[0], 8 * size[1], 8), unpack(theirs, *size))


def test_a_side_that_cannot_be_halved_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="invalid for input"):
        pack(torch.zeros(1, 4, 3, 4))
