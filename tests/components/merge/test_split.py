"""Which split a sample belongs to."""

from __future__ import annotations

from collections import Counter

import pytest

from platen.components.merge.settings import SplitShares
from platen.components.merge.split import split_of

KEYS = [f"{number:016x}" for number in range(20_000)]
KNOWN = {0: "test", 11: "test", 16: "test"}


def test_shares_are_met() -> None:
    counts = Counter(split_of(key, SplitShares()) for key in KEYS)
    assert counts["train"] / len(KEYS) == pytest.approx(0.90, abs=0.01)
    assert counts["validation"] / len(KEYS) == pytest.approx(0.05, abs=0.006)
    assert counts["test"] / len(KEYS) == pytest.approx(0.05, abs=0.006)


def test_known_keys_stay_where_they_are() -> None:
    """These may only change together with the stage's version."""
    found = [split_of(f"{number:016x}", SplitShares()) for number in range(60)]
    assert {number: name for number, name in enumerate(found) if name != "train"} == KNOWN


def test_all_for_training() -> None:
    assert {split_of(key, SplitShares(train=1, validation=0, test=0)) for key in KEYS} == {"train"}


def test_a_larger_share_of_training_moves_nothing_out_of_it() -> None:
    less, more = SplitShares(train=0.8, validation=0.1, test=0.1), SplitShares()
    before = {key for key in KEYS if split_of(key, less) == "train"}
    assert before < {key for key in KEYS if split_of(key, more) == "train"}
