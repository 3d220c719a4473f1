"""Which split a sample belongs to."""

from __future__ import annotations

from platen.components.merge.settings import SplitShares
from platen.manifest import sha256

STEPS = 1 << 32


def split_of(key: str, shares: SplitShares) -> str:
    """train, validation or test, from the key alone: a sample stays where it is when others come and go."""
    place = int(sha256(key.encode())[:8], 16) / STEPS
    if place < shares.train:
        return "train"
    return "validation" if place < shares.train + shares.validation else "test"
