"""Slow links, and how they are looked for."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.measure.links import Link, rounds, slow_links


@given(st.integers(1, 40))
def test_every_pair_meets_once_and_no_rank_twice_at_a_time(ranks: int) -> None:
    found = list(rounds(ranks))
    assert sorted(pair for pairs in found for pair in pairs) == list(combinations(range(ranks), 2))
    for pairs in found:
        busy = [rank for pair in pairs for rank in pair]
        assert len(busy) == len(set(busy))


def test_a_link_is_held_against_those_of_its_kind() -> None:
    nodes = ["a", "a", "b", "b"]
    between = {(0, 2): 10.0, (0, 3): 10.0, (1, 2): 4.0, (1, 3): 11.0}
    assert slow_links({**between, (0, 1): 300.0, (2, 3): 290.0}, nodes) == [Link((1, 2), 4.0, 10.0)]


def test_few_links_are_not_judged() -> None:
    assert slow_links({(0, 1): 1.0, (0, 2): 100.0}, ["a", "b", "c"]) == []
