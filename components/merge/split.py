"""Which split a sample belongs to."""

from __future__ import annotations

from platen.artifacts.dataset import Split
from platen.components.merge.settings import SplitShares
from platen.core.manifest import sha256

STEPS = 1 << 32


def split_of(key: str, shares: SplitShares) -> Split:
    """train, validation or test, from the key alone: a sample stays where it is when others come and go."""
    place = int(sha256(key.encode())[:8], 16) / STEPS
    if place < shares.train:
        return Split.TRAIN
    return Split.VALIDATION if place < shares.train + shares.validation else Split.TEST
