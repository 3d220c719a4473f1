"""The queue of pictures, and the one thread that owns the pipeline (diffusers' pipelines are not thread safe).

A job is one picture. Requests take turns, a picture each, so that one for many pictures does not hold up the others.
The loop hands a list of jobs to the sampler. Today it holds one: pictures made together differ in their last bits from
one made alone, and the same prompt and seed must give the same bytes whatever else is served.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from platen.components.serve.metrics import Metrics
from platen.core.errors import PlatenError, PlatformError, ProcessError
from platen.core.telemetry import log

FAILURES = 3  # pictures in a row that may fail before the sampler is tried out

State = Literal["empty", "loading", "ready", "leaving", "draining", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to make."""

    prompt: str
    seed: int
    width: int
    height: int
    steps: int
    guidance_scale: float


class GivenUpError(PlatenError):
    """Nobody waits for the pictures any more."""


class BrokenError(PlatformError):
    """The device makes no more pictures in this process, whatever is asked for."""


class Sampler(Protocol):
    """What the engine needs of a model."""

    def warm_up(self) -> None:
        """Make something, so that the first request does not pay for what is only done once."""

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """A PNG for each job. Calls `on_step` after each denoising step, and stops where that raises.

        Raises BrokenError where no other job could be drawn either.
        """


@dataclass(eq=False, slots=True)
class Task:
    """A job somebody waits for; cancelling the future takes it out of the queue, or ends it within a step."""

    job: Job
    future: Future[bytes] = field(default_factory=Future)
    queued: float = field(default_factory=time.monotonic)


class Engine:
    """Runs the sampler in its own thread.

    Args:
        load: Makes the sampler; called in the engine's thread. None: there is no model, and never will be.
        queue: Pictures that may wait.
    """

    def __init__(self, load: Callable[[], Sampler] | None, metrics: Metrics, queue: int) -> None:
        self.state: State = "loading" if load else "empty"
        self.failure: Exception | None = None
        self._metrics = metrics
        self._limit = queue
        self._waiting: deque[deque[Task]] = deque()  # one queue a request
        self._changed = threading.Condition()
        self._closing = False
        self._running = 0
        self._seconds = 1.0  # a picture takes, smoothed
        self._failures = 0  # in a row
        self._thread = threading.Thread(target=self._run, args=(load,), name="engine", daemon=True) if load else None
        metrics.watch_queue(lambda: self.waiting, self._oldest_wait)
        metrics.watch_ready(lambda: self.state == "ready")

    def start(self) -> None:
        """Start to load the model, where there is one."""
        if self._thread is not None:
            self._thread.start()

    @property
    def takes(self) -> bool:
        """Whether it takes pictures: also while it is leaving, since not everybody knows of that yet."""
        return self.state in ("ready", "leaving")

    @property
    def stays(self) -> bool:
        """Whether it was not asked to end."""
        return self.state in ("empty", "loading", "ready")

    @property
    def waiting(self) -> int:
        """Pictures in the queue that somebody still waits for."""
        with self._changed:
            return sum(1 for _ in self._live())

    def has_room(self, pictures: int) -> bool:
        """Whether the queue can take so many more."""
        return self.waiting + pictures <= self._limit

    def retry_after(self) -> int:
        """Whole seconds until the queue has probably run empty."""
        return max(1, math.ceil((self.waiting + self._running) * self._seconds))

    def submit(self, jobs: Sequence[Job]) -> list[Future[bytes]]:
        """Put the pictures of one request into the queue; a PNG comes out of each future.

        Raises GivenUpError where the engine is not ready, or no longer.
        """
        tasks = deque(Task(job) for job in jobs)
        futures = [task.future for task in tasks]
        with self._changed:
            if not self.takes:
                raise GivenUpError(f"the engine is {self.state} and takes no pictures")
            self._waiting.append(tasks)
            self._changed.notify()
        return futures

    def leave(self) -> None:
        """Not be ready any more, but still take pictures."""
        with self._changed:
            self.state = "leaving" if self.state == "ready" else self.state

    def drain(self) -> None:
        """Finish what is in the queue, then end."""
        with self._changed:
            self.state = "draining" if self.state in ("loading", "ready", "leaving") else self.state
            self._changed.notify()

    def close(self, timeout: float = 10.0) -> bool:
        """Give up what is in the queue and end; whether the thread has ended."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self, load: Callable[[], Sampler]) -> None:
        try:
            sampler = load()
            sampler.warm_up()
            self._set_ready()
            while tasks := self._take():
                self._draw(sampler, tasks)
                if self._failures >= FAILURES:
                    self._try_out(sampler)
            self.state = "ended"
        except Exception as error:  # the thread must not end silently: main tells why
            self.failure = error
            self.state = "failed"
        finally:
            self._give_up_all()

    def _set_ready(self) -> None:
        with self._changed:
            if self.state == "loading":
                self.state = "ready"

    def _take(self) -> list[Task]:
        """The next tasks to run together; none when it is time to end."""
        with self._changed:
            while not self._closing:
                task = self._next()
                if task is not None:
                    self._running = 1
                    return [task]
                if self.state == "draining":
                    break
                self._changed.wait()
        return []

    def _next(self) -> Task | None:
        while self._waiting:
            request = self._waiting.popleft()
            task = request.popleft()
            if request:
                self._waiting.append(request)
            if not task.future.cancelled():
                return task
        return None

    def _draw(self, sampler: Sampler, tasks: list[Task]) -> None:
        started = last = time.monotonic()

        def on_step() -> None:
            nonlocal last
            now = time.monotonic()
            self._metrics.step.observe(now - last)
            last = now
            if self._closing or all(task.future.cancelled() for task in tasks):
                raise GivenUpError("nobody waits for these pictures")

        self._metrics.batch.observe(len(tasks))
        try:
            pictures = sampler.draw([task.job for task in tasks], on_step)
        except GivenUpError:
            pass
        except Exception as error:  # one bad job must not end the server
            log.exception("engine: %s", tasks[0].job)
            self._failures += 1
            _fail(tasks, error)
            if isinstance(error, BrokenError):
                raise
        else:
            self._failures = 0
            self._metrics.pictures.inc(len(pictures))
            self._seconds += 0.3 * (time.monotonic() - started - self._seconds)
            for task, picture in zip(tasks, pictures, strict=True):
                if task.future.set_running_or_notify_cancel():
                    task.future.set_result(picture)
        finally:
            self._running = 0
            if self._closing:
                _cancel(tasks)

    def _try_out(self, sampler: Sampler) -> None:
        """Tell jobs that cannot be drawn from a sampler that draws nothing: it must make the picture it began with.

        Raises BrokenError where it does not.
        """
        try:
            sampler.warm_up()
        except Exception as error:
            told = f"{self._failures} pictures in a row failed, and so does the one that was made at the start"
            raise BrokenError(f"{told}: {type(error).__name__}: {error}") from error
        self._failures = 0

    def _live(self) -> Iterator[Task]:
        return (task for request in self._waiting for task in request if not task.future.cancelled())

    def _oldest_wait(self) -> float:
        now = time.monotonic()
        with self._changed:
            return now - min((task.queued for task in self._live()), default=now)

    def _give_up_all(self) -> None:
        with self._changed:
            _cancel([task for request in self._waiting for task in request])
            self._waiting.clear()


def _cancel(tasks: Sequence[Task]) -> None:
    for task in tasks:
        task.future.cancel()


def _fail(tasks: Sequence[Task], error: Exception) -> None:
    for task in tasks:
        if task.future.set_running_or_notify_cancel():
            task.future.set_exception(ProcessError(f"the picture could not be made: {type(error).__name__}: {error}"))
