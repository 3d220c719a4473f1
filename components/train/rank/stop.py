"""What ends a training early: told to one rank, agreed by all at the end of a step, so that all save one checkpoint.

SIGTERM, a notice that a machine is taken away (notices.py), or a time budget that is used up.
"""

from __future__ import annotations

import os
import signal
import time
from enum import IntEnum
from threading import Event

import torch
import torch.distributed as dist

from platen.components.train.job import BEGAN_AT
from platen.components.train.parallel.zero import host_group
from platen.components.train.rank.notices import watch
from platen.components.train.rank.settings import StopSettings
from platen.jobs.exit_codes import OUT_OF_TIME, STOPPED


class Reason(IntEnum):
    """Why training stops; of several the highest counts."""

    NONE = 0
    BUDGET = 1
    NOTICE = 2
    SIGTERM = 3

    @property
    def code(self) -> int:
        """What a rank ends with."""
        return OUT_OF_TIME if self is Reason.BUDGET else STOPPED

    @property
    def words(self) -> str:
        """What stopped it."""
        return ("nothing", "its time budget", "a notice that its machine is taken away", "SIGTERM")[self]


class StopFlag:
    """Whether any rank is to stop. Made by all ranks together.

    Until `listen` SIGTERM ends the process at once: there is nothing to save yet that is not saved already.
    """

    def __init__(self, settings: StopSettings) -> None:
        self.settings = settings
        self.reason = Reason.NONE
        self._told_at: float | None = None  # of the monotonic clock, as all here
        self._ended = Event()
        self._group = host_group()
        self._save_seconds = settings.save_seconds
        self._saving_since: float | None = None
        self._step_seconds = 0.0
        self._since = time.monotonic()
        self._began = self._since - max(0.0, time.time() - float(os.environ.get(BEGAN_AT, time.time())))

    def listen(self) -> None:
        """From now on SIGTERM is kept until the next step's end; another one changes nothing."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.tell(Reason.SIGTERM))
        if os.environ.get("LOCAL_RANK", "0") == "0":  # one a node
            watch(self.settings, lambda: self.tell(Reason.NOTICE), self._ended)
        self._since = time.monotonic()

    def ignore(self) -> None:
        """From now on SIGTERM ends the process again."""
        self._ended.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def tell(self, reason: Reason) -> None:
        """Have training stop at the end of the step; from a signal, a thread, or the loop."""
        self._told_at = self._told_at or time.monotonic()
        self.reason = max(self.reason, reason)

    def agreed(self) -> Reason:
        """Why all ranks stop here, if they do. Collective, after every step."""
        now = time.monotonic()
        self._step_seconds, self._since = now - self._since, now
        if self._budget_is_used_up(now):
            self.tell(Reason.BUDGET)
        told = torch.tensor(int(self.reason))
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self._group)
        return Reason(int(told))

    def note_saving(self, saving: bool) -> None:
        """Measure checkpoints, written beside training, after every step: the budget must have room for another one."""
        now = time.monotonic()
        if saving:
            self._saving_since = self._saving_since or now
        elif self._saving_since:
            self._save_seconds, self._saving_since = now - self._saving_since, None

    def waited(self) -> float:
        """Seconds since any rank was told to stop. Collective."""
        mine = time.monotonic() - self._told_at if self._told_at else 0.0
        longest = torch.tensor(mine, dtype=torch.float64)
        dist.all_reduce(longest, dist.ReduceOp.MAX, group=self._group)
        return float(longest)

    def _budget_is_used_up(self, now: float) -> bool:
        """Whether another step like the last, a checkpoint like the last, and one under way would take too long."""
        budget = self.settings.budget_seconds
        saves = 2 if self._saving_since else 1
        return budget is not None and now - self._began + self._step_seconds + saves * self._save_seconds > budget
