"""Waiting for what a cluster does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 180.0  # seconds that a pod may take to start or to end, on a machine that has other work


def wait_until(true: Callable[[], T], seconds: float = PATIENCE, otherwise: str = "it never came to hold") -> T:
    """What `true` returns, as soon as that is something; fails where it stays nothing for so many seconds."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, f"{otherwise} (after {seconds:.0f} s)"
        time.sleep(0.3)
    return found
