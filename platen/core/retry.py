"""Retry what may succeed later: the one policy for servers that may be away for a while."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from platen.core.telemetry import log

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds; each pause is up to twice as long as the one before


def retry(attempt: Callable[[], T], passing: type[Exception], seconds: float) -> T:
    """Call `attempt` until it raises no `passing` error, pausing longer each time, for up to `seconds`.

    A pause is drawn between half of its length and all of it, so that callers that failed together do not come back
    together. Raises the last error when the time is used up, and any other error at once.
    """
    until, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        drawn = random.uniform(pause / 2, pause)
        try:
            return attempt()
        except passing as error:
            if time.monotonic() + drawn > until:
                raise
            log.warning("%s; trying again", error)
        time.sleep(drawn)
        pause = min(pause * 2, LONGEST_PAUSE)
