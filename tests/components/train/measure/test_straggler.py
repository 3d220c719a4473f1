"""Which rank is named, and when."""

from __future__ import annotations

import pytest

from platen.components.train.measure.clock import Window
from platen.components.train.measure.straggler import Slow, Stragglers, slowest

STEP = 10.0  # every rank's: that of the slowest


def ranks(*busy: float, data: tuple[float, ...] = ()) -> list[Window]:
    """What is not busy waits for other ranks."""
    waits = data or (0.0,) * len(busy)
    return [Window(5, STEP, wait, STEP - of) for of, wait in zip(busy, waits, strict=True)]


def test_the_rank_that_waits_least_is_the_slow_one() -> None:
    assert slowest(ranks(4, 4, 9, 5)) == Slow(2, 0.5, "compute")


def test_a_rank_that_is_late_because_of_its_data_is_told_so() -> None:
    assert slowest(ranks(4, 9, data=(0.0, 6.0))) == Slow(1, 0.5, "data")


def test_checkpoints_are_nobodys_fault() -> None:
    saving = [Window(5, 2 * STEP, 0.0, 5.0, checkpoint=STEP), Window(5, 2 * STEP, 0.0, 15.0)]
    found = slowest(saving)
    assert found is not None and found.share == pytest.approx(0.0)


def test_one_rank_has_none_to_wait_for() -> None:
    assert slowest(ranks(10)) is None
    assert slowest([Window(), Window()]) is None


def test_a_rank_is_named_once_it_was_slow_often_enough_in_a_row() -> None:
    judge = Stragglers(share=0.2, windows=3).judge
    slow, other, even = ranks(4, 9), ranks(9, 4), ranks(5, 5.5)
    assert [judge(window) for window in (slow, slow, even, slow, slow)] == [None] * 5
    named = judge(slow)
    assert named is not None and named.rank == 1
    assert judge(slow) is not None
    assert judge(other) is None, "another rank was slow but once"
    assert judge(even) is None
