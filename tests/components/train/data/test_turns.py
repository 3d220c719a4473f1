from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.data.turns import LONGEST, Turns, dealt, whole_numbers

counts = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(counts)
def test_no_part_is_ever_a_turn_ahead_or_behind(counts: list[int]) -> None:
    parts = dealt(counts)
    had = np.cumsum(parts[:, None] == np.arange(len(counts)), axis=0)
    share = np.arange(1, len(parts) + 1)[:, None] * np.array(counts) / len(parts)
    assert np.abs(had - share).max() < 1
    assert had[-1].tolist() == counts


@given(counts, st.integers(0, 10**12))
def test_a_turn_knows_how_many_of_its_part_came_before(counts: list[int], first: int) -> None:
    turns = Turns([Fraction(count) for count in counts])
    parts, before = turns.at(np.arange(first, first + 200))
    for part in set(parts.tolist()):
        assert np.diff(before[parts == part]).tolist() == [1] * (int((parts == part).sum()) - 1)
    start, none = turns.at(np.array([0]))
    assert none.tolist() == [0]
    assert turns.at(np.array([first]))[0] == parts[0]
    assert start[0] < len(counts)


def test_weights_of_any_unit_make_the_shortest_cycle() -> None:
    assert whole_numbers([Fraction("0.75"), Fraction("0.25")]) == [3, 1]
    assert whole_numbers([Fraction(3000), Fraction(1000)]) == [3, 1]
    assert dealt([3, 1]).tolist() == [0, 0, 0, 1]


def test_shares_that_no_short_cycle_has_are_rounded_and_none_is_lost() -> None:
    found = whole_numbers([Fraction(1), Fraction(99_999_989), Fraction(1, 3)])
    assert found[0] == found[2] == 1
    assert abs(sum(found) - LONGEST) <= 2
