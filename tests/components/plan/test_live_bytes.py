from __future__ import annotations

from collections.abc import Container

import torch

from platen.components.plan.live_bytes import MARK, LiveBytes


def follow(one_each: Container[int] = ()) -> LiveBytes:
    """The bytes of 24 numbers of each sample's own, 5 of each in one tensor, and 7 for all."""
    with torch.device("meta"), LiveBytes(mark=MARK, one_each=one_each) as live:
        held = [torch.empty(24) for _ in range(MARK)]
        held += [torch.empty(MARK, 5), torch.empty(7)]
        assert live.fixed + live.scaled == 4 * (MARK * (24 + 5) + 7)
    return live


def test_tensors_that_each_sample_has_for_itself_grow_with_the_batch() -> None:
    first = follow()
    assert first.one_each == {4 * 24}
    assert first.peaks == [(4 * 5, 4 * (MARK * 24 + 7))]
    assert follow(first.one_each).peaks == [(4 * (24 + 5), 4 * 7)]


def test_what_lives_for_a_moment_is_not_taken_for_one_each() -> None:
    with torch.device("meta"), LiveBytes(mark=MARK) as live:
        for _ in range(2 * MARK):
            torch.empty(24)
    assert not live.one_each
