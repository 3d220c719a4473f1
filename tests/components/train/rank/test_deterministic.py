"""Random numbers of the model depend on seed, step and place alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from platen.components.train.rank.deterministic import seed_model, use_deterministic_algorithms


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with torch.random.fork_rng():
        yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def drawn(seed: int, step: int, place: int) -> float:
    seed_model(seed, step, place)
    return float(torch.rand(()))


def test_what_came_before_has_no_say() -> None:
    first = drawn(1, 2, 3)
    torch.rand(100)
    assert drawn(1, 2, 3) == first


def test_seed_step_and_place_each_count_and_do_not_stand_for_each_other() -> None:
    found = [drawn(*numbers) for numbers in itertools.product(range(3), repeat=3)]
    assert len(set(found)) == 27


def test_an_operation_without_a_deterministic_form_raises() -> None:
    use_deterministic_algorithms()
    with pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(4).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
