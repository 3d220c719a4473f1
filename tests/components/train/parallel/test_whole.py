"""Whole tensors out of what ranks hold, and back; with several ranks in test_zero.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from platen.components.train.parallel.masters import Masters, masters_of
from platen.components.train.parallel.whole import gather, held_counts, load_masters, load_whole, whole_count
from platen.core.errors import ExportError

pytestmark = pytest.mark.usefixtures("one_rank")


def masters(dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Masters]:
    """A model of a precision whose optimizer holds fp32 copies."""
    model = nn.Linear(3, 2).to(dtype)
    copies = [parameter.detach().float().clone() for parameter in model.parameters()]
    optimizer: Any = torch.optim.AdamW(copies)
    optimizer.fp32_groups = [copies]
    return model, masters_of(SimpleNamespace(module=model, optimizer=optimizer, device="cpu"))


def test_gathered_tensors_have_their_names_and_shapes() -> None:
    model, held = masters()
    found = gather(held, [key.data for key in held.keys])
    assert found.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(found[name], parameter) for name, parameter in model.named_parameters())


def test_a_number_that_no_rank_holds_is_not_exported_as_zero() -> None:
    _, held = masters()
    held.pieces = held.pieces[1:]
    with pytest.raises(ExportError, match=r"^weight: the ranks hold 0 numbers of its 6"):
        gather(held, [key.data for key in held.keys])


def test_masters_get_the_digits_that_low_precision_has_lost() -> None:
    model, held = masters(torch.bfloat16)
    state = {name: torch.rand(parameter.shape) for name, parameter in model.named_parameters()}
    load_masters(held, state)
    assert all(torch.equal(key.view(-1), state[name].view(-1)) for key, name in zip(held.keys, state, strict=True))
    assert torch.equal(model.weight, state["weight"].bfloat16()), "the model follows"


def test_only_what_the_state_has_is_put_into_a_model() -> None:
    model, _ = masters()
    bias = model.bias.detach().clone()
    load_whole(model, {"weight": torch.ones(2, 3)})
    assert model.weight.eq(1).all()
    assert torch.equal(model.bias, bias)


def test_what_is_trained_is_counted_once_split_or_not() -> None:
    model, held = masters()
    assert held_counts(held) == [8]
    model.bias.requires_grad_(False)
    model.weight.ds_shape = torch.Size([2, 3])
    model.weight.data = torch.empty(0)
    assert whole_count(model) == 6
