"""Seconds by what they were spent on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

DATA, COMMUNICATION, CHECKPOINT = "data", "communication", "checkpoint"
COMPUTE = "compute"  # whatever is none of these


@dataclass(frozen=True)
class Window:
    """Some steps in a row: how many, seconds of all of it, and of them those that waited.

    Attributes:
        steps: Steps done.
        wall: Seconds from the end of the window before.
        data: Seconds that waited for samples.
        communication: Seconds that waited for other ranks, or for the way to them.
        checkpoint: Seconds that waited for a checkpoint.
    """

    steps: int = 0
    wall: float = 0.0
    data: float = 0.0
    communication: float = 0.0
    checkpoint: float = 0.0

    SIZE: ClassVar[int] = 5

    def numbers(self) -> list[float]:
        """For another rank, which takes it by `of`."""
        return [self.steps, self.wall, self.data, self.communication, self.checkpoint]

    @staticmethod
    def of(numbers: Sequence[float]) -> Window:
        """From the numbers of another rank; what follows them is left."""
        steps, *seconds = numbers[: Window.SIZE]
        return Window(int(steps), *seconds)

    @property
    def training(self) -> float:
        """Seconds of the steps themselves: all but checkpoints."""
        return self.wall - self.checkpoint

    @property
    def compute(self) -> float:
        """Seconds that waited for nothing."""
        return max(self.training - self.data - self.communication, 0.0)

    @property
    def busy(self) -> float:
        """Seconds in which other ranks may have waited for this one."""
        return self.compute + self.data

    def parts(self) -> dict[str, float]:
        """Seconds by part; together they are `wall`."""
        waits = {DATA: self.data, COMMUNICATION: self.communication, CHECKPOINT: self.checkpoint}
        return {COMPUTE: self.compute, **waits}

    def __add__(self, other: Window) -> Window:
        """Both together."""
        return Window(
            self.steps + other.steps,
            self.wall + other.wall,
            self.data + other.data,
            self.communication + other.communication,
            self.checkpoint + other.checkpoint,
        )


class Clock:
    """Counts a window after another. What happens while something is waited for belongs to that wait."""

    def __init__(self) -> None:
        self.waits = False
        self.start()

    def start(self) -> None:
        """Begin a window."""
        self.steps = 0
        self._seconds = {DATA: 0.0, COMMUNICATION: 0.0, CHECKPOINT: 0.0}
        self._started = time.perf_counter()

    def step(self) -> None:
        """Count a step."""
        self.steps += 1

    @contextmanager
    def waiting(self, part: str) -> Iterator[None]:
        """While this lasts, DATA, COMMUNICATION or CHECKPOINT is waited for."""
        if self.waits:
            yield
            return
        self.waits = True
        started = time.perf_counter()
        try:
            yield
        finally:
            self.waits = False
            self._seconds[part] += time.perf_counter() - started

    def add(self, part: str, seconds: float) -> None:
        """Count a wait that was measured elsewhere."""
        self._seconds[part] += seconds

    def end(self) -> Window:
        """The window that ends here; the next one begins."""
        window = Window(self.steps, time.perf_counter() - self._started, **self._seconds)
        self.start()
        return window
