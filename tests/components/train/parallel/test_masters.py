"""What an optimizer holds, where it is in the parameters, and that nothing of it is lost on the way to a checkpoint."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from platen.components.train.parallel.masters import Masters, Piece, Split, SplitEach, Whole, masters_of
from platen.core.errors import ProcessError


def engine(optimizer: type[torch.optim.Optimizer] = torch.optim.AdamW, **options: Any) -> Any:
    """An engine of stage 0 in fp32: the optimizer is torch's own."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].bias.requires_grad_(False)
    return SimpleNamespace(module=model, optimizer=optimizer(model.parameters(), lr=0.1, **options), device="cpu")


def step(of: Any, times: int = 1) -> None:
    for number in range(times):
        of.optimizer.zero_grad()
        of.module(torch.full((5, 3), 1.0 + number)).square().sum().backward()
        of.optimizer.step()


def test_every_trained_number_is_in_one_piece() -> None:
    masters = masters_of(engine())
    assert isinstance(masters, Whole)
    assert {piece.name: piece.length for piece in masters.pieces} == {"0.weight": 12, "1.weight": 8, "1.bias": 2}
    assert [piece.flat for piece in masters.pieces] == [0, 1, 2]


def test_moments_put_into_another_optimizer_train_on_as_the_first_one_does() -> None:
    first = engine()
    step(first, 3)
    masters = masters_of(first)
    other = engine()
    other.module.load_state_dict(first.module.state_dict())
    into = masters_of(other)
    for flat in range(len(masters.keys)):
        into.set_moments(flat, copy.deepcopy(masters.moments(flat)), masters.updates())
    assert into.updates() == masters.updates() == 3
    step(first)
    step(other)
    assert all(torch.equal(a, b) for a, b in zip(first.module.parameters(), other.module.parameters(), strict=True))


def test_before_the_first_step_there_is_nothing_to_save() -> None:
    masters = masters_of(engine())
    assert (masters.moments(0), masters.updates(), masters.scaler()) == ({}, 0.0, {})


@pytest.mark.parametrize("kind", [torch.optim.Adafactor, torch.optim.NAdam])
def test_a_state_that_a_checkpoint_would_lose_is_refused(kind: type[torch.optim.Optimizer]) -> None:
    other = engine(kind)
    step(other)
    with pytest.raises(ProcessError, match="which a checkpoint cannot hold"):
        masters_of(other).moments(0)


def test_what_is_written_while_a_tensor_is_resident_stays() -> None:
    here = engine()
    masters = masters_of(here)
    with masters.resident(0) as weights:
        weights.fill_(7)
    masters.refresh()
    assert here.module[0].weight.eq(7).all()


def test_the_state_of_loss_scaling_is_kept() -> None:
    scaled = engine()
    scaled.optimizer.loss_scaler = SimpleNamespace(cur_scale=1024.0, cur_iter=5, unrelated=1)
    masters = masters_of(scaled)
    assert masters.scaler() == {"cur_scale": 1024.0, "cur_iter": 5}
    masters.set_scaler({"cur_scale": 512.0})
    assert scaled.optimizer.loss_scaler.cur_scale == 512.0


def linked(start: int, length: int, offset: int) -> Any:
    address = SimpleNamespace
    return SimpleNamespace(
        lp_fragment_address=address(start=start, numel=length),
        hp_fragment_address=address(start=offset),
        param_group_index=0,
    )


def test_of_a_stretch_each_rank_has_what_deepspeed_links() -> None:
    here = engine()
    links = {"0.weight": linked(5, 7, 0), "1.weight": linked(0, 3, 7), "1.bias": None}  # the last is another rank's
    for name, parameter in here.module.named_parameters():
        parameter._hp_mapping = links.get(name)
    here.optimizer.single_partition_of_fp32_groups = [torch.zeros(10)]
    here.optimizer.update_lp_params = lambda: None
    masters = masters_of(here)
    assert isinstance(masters, Split)
    assert masters.pieces == [Piece("0.weight", 5, 7, 0, 0), Piece("1.weight", 0, 3, 0, 7)]


@pytest.mark.parametrize(("rank", "held"), [(0, [4, 1]), (1, [4, 1]), (2, [4, 0])])
def test_of_an_equal_slice_the_padding_is_no_number(
    rank: int, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over three ranks: 12 numbers are 4 each, 2 are 1 each and padding."""
    monkeypatch.setattr("platen.components.train.parallel.masters.dist.get_rank", lambda: rank)
    model = nn.ParameterDict({"a": nn.Parameter(torch.empty(0)), "b": nn.Parameter(torch.empty(0))})
    model["a"].ds_shape, model["b"].ds_shape = torch.Size([3, 4]), torch.Size([2])
    places = {id(model["a"]): (0, 0, 4), id(model["b"]): (0, 4, 1)}
    optimizer = SimpleNamespace(fp32_partitioned_groups_flat=[torch.zeros(5)], grad_position=places, get_param_id=id)
    masters: Masters = masters_of(SimpleNamespace(module=model, optimizer=optimizer))
    assert isinstance(masters, SplitEach)
    assert [sum(piece.length for piece in masters.pieces if piece.name == name) for name in "ab"] == held
    assert all(piece.start == rank * (4 if piece.name == "a" else 1) for piece in masters.pieces)
