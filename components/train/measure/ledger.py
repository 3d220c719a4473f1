"""What the attempts at a training have taken altogether: goodput, and what it cost.

`measured.json` beside the checkpoints holds an entry an attempt, which rank 0 renews; a killed attempt's is as old as
its last checkpoint, or its last window, in a bucket WRITE_EVERY seconds.
"""

from __future__ import annotations

import json
import time
from itertools import pairwise

from pydantic import BaseModel

from platen.components.train.measure.clock import Window
from platen.core.manifest import canonical
from platen.core.storage import is_local, join, store_for

MEASURED = "measured.json"
WRITE_EVERY = 30  # seconds
HOUR = 3600


class Attempt(BaseModel):
    """One attempt.

    Attributes:
        started: When rank 0's process started, in seconds since 1970.
        looped: When its first step began.
        seen: When it was last heard of.
        first: Steps that were done when it began.
        reached: Steps that are done by now.
        steps: Steps that it took: more than it got further, where it had to go back.
        training: Seconds of its steps, waits included, checkpoints not.
        checkpoint: Seconds that waited for checkpoints.
    """

    started: float
    looped: float
    seen: float
    first: int
    reached: int
    steps: int = 0
    training: float = 0.0
    checkpoint: float = 0.0

    def useful(self, kept: int) -> float:
        """Seconds of the steps that count, where the next attempt went on after `kept` steps."""
        gained = max(min(self.reached, kept) - self.first, 0)
        return self.training * min(gained / self.steps, 1.0) if self.steps else 0.0


class Spent(BaseModel):
    """Seconds from the first attempt's start, by what they went into; together they are `wall`.

    Attributes:
        wall: All of them.
        useful: Steps that the model consists of, waits for data and other ranks included.
        lost: Steps that were trained again after a restart or a roll back.
        checkpoint: Waiting for checkpoints.
        starting: From a process's start to its first step.
        between: No process ran: restarts, queues.
        other: The rest: the export, what an attempt did after it was last heard of.
    """

    wall: float
    useful: float
    lost: float
    checkpoint: float
    starting: float
    between: float
    other: float

    @property
    def goodput(self) -> float:
        """Share of the wall time that was useful."""
        return self.useful / self.wall if self.wall > 0 else 0.0


def spent(attempts: list[Attempt]) -> Spent:
    """What went into what; the last attempt's `seen` is now."""
    wall = attempts[-1].seen - attempts[0].started
    useful = 0.0
    kept = attempts[-1].reached
    for attempt in reversed(attempts):
        useful += attempt.useful(kept)
        kept = min(kept, attempt.first)
    training = sum(attempt.training for attempt in attempts)
    known = {
        "useful": useful,
        "lost": training - useful,
        "checkpoint": sum(attempt.checkpoint for attempt in attempts),
        "starting": sum(attempt.looped - attempt.started for attempt in attempts),
        "between": sum(max(b.started - a.seen, 0.0) for a, b in pairwise(attempts)),
    }
    return Spent(wall=wall, other=max(wall - sum(known.values()), 0.0), **known)


class Cost(BaseModel):
    """US dollars so far, while processes ran, and from here to the last step."""

    so_far: float
    to_the_end: float


def cost(attempts: list[Attempt], steps: int, usd_an_hour: float) -> Cost:
    """What was spent and will be, at the rate of the last attempt; `usd_an_hour` is that of all ranks."""
    held = sum(attempt.seen - attempt.started for attempt in attempts)
    return Cost(so_far=held / HOUR * usd_an_hour, to_the_end=seconds_left(attempts[-1], steps) / HOUR * usd_an_hour)


def seconds_left(attempt: Attempt, steps: int) -> float:
    """Until the last of all steps, at the attempt's own pace, checkpoints included; 0 where it has none yet."""
    if not attempt.steps:
        return 0.0
    return (steps - attempt.reached) * (attempt.training + attempt.checkpoint) / attempt.steps


class Ledger:
    """The file, kept by rank 0."""

    def __init__(self, shared: str) -> None:
        self._uri = join(shared, MEASURED)
        before = json.loads(store_for(self._uri).read(self._uri) or b"[]")
        self.attempts = [Attempt.model_validate(entry) for entry in before]
        self._written = 0.0

    def begin(self, started: float, first: int) -> None:
        """An attempt's first step begins."""
        now = time.time()
        self.attempts.append(Attempt(started=started, looped=now, seen=now, first=first, reached=first))
        self._write()

    def add(self, window: Window, reached: int, *, write: bool) -> None:
        """Some steps more; in a bucket the file is renewed every WRITE_EVERY seconds only, unless `write`."""
        self.touch()
        mine = self.attempts[-1]
        mine.reached = reached
        mine.steps += window.steps
        mine.training += window.training
        mine.checkpoint += window.checkpoint
        if write or is_local(self._uri) or mine.seen - self._written >= WRITE_EVERY:
            self._write()

    def touch(self) -> None:
        """The attempt is alive."""
        self.attempts[-1].seen = time.time()

    def _write(self) -> None:
        self._written = self.attempts[-1].seen
        store_for(self._uri).write(self._uri, canonical([attempt.model_dump() for attempt in self.attempts]))
