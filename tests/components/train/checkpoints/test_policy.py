from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from platen.components.train.checkpoints.policy import kept
from platen.components.train.checkpoints.settings import CheckpointSettings

LOSSES = {100: 3.0, 200: 1.0, 300: 2.0, 400: 2.5, 500: None}


def test_the_newest_are_kept() -> None:
    assert kept(LOSSES, CheckpointSettings(keep_last=2)) == {400, 500}


def test_the_best_and_the_marked_are_kept_as_well() -> None:
    assert kept(LOSSES, CheckpointSettings(keep_last=1, keep_best=2)) == {500, 200, 300}
    assert kept(LOSSES, CheckpointSettings(keep_last=1, keep_every=200)) == {500, 200, 400}


@given(st.dictionaries(st.integers(1, 10**7), st.none() | st.floats(0, 10), min_size=1), st.integers(1, 5))
def test_the_newest_is_never_deleted(losses: dict[int, float | None], keep: int) -> None:
    left = kept(losses, CheckpointSettings(keep_last=keep))
    assert max(losses) in left
    assert left <= losses.keys()
