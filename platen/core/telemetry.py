"""What a stage says while it works: log lines and progress.

In a terminal a bar, elsewhere a line every few seconds, on a cluster (or with PLATEN_LOG=json) one JSON object a line.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

LINE_EVERY = 3.0  # seconds between two progress lines
PLAIN = "plain"  # value of PLATEN_LOG for a child whose lines its parent passes on
MARKED = "marked"  # value of PLATEN_LOG under which every line is marked, so that a runner can tell it from others
LINE_MARK = "platen| "

log = logging.getLogger("platen")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and what the caller passed as `extra={"data": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class MarkedLines(logging.Formatter):
    """The message with LINE_MARK before each of its lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as marked lines."""
        return "\n".join(LINE_MARK + line for line in super().format(record).splitlines())


def on_cluster() -> bool:
    """Whether lines are read by a log collector and not by a person; PLATEN_LOG has the last word."""
    return os.environ.get("PLATEN_LOG", "json" if "KUBERNETES_SERVICE_HOST" in os.environ else "") == "json"


QUIET = {  # libraries say much that is not for the user; this process and its children keep to warnings that matter
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads that spin slow down everything else on a shared machine
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning,ignore::UserWarning",
}


def set_up_logging(level: int = logging.INFO) -> None:
    """Send Platen's log to standard error, in the form that fits where it runs. Safe to call twice."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for category in (FutureWarning, DeprecationWarning, UserWarning):
        warnings.simplefilter("ignore", category)
    handler = logging.StreamHandler(sys.stderr)
    lines = MarkedLines() if os.environ.get("PLATEN_LOG") == MARKED else logging.Formatter("%(message)s")
    handler.setFormatter(JsonLines() if on_cluster() else lines)
    log.handlers = [handler]
    log.setLevel(level)
    log.propagate = False


Advance = Callable[[int], None]


@contextmanager
def progress(what: str, total: int, unit: str = "items") -> Iterator[Advance]:
    """Show how far a job of `total` units is; the context's value is called with the units just done."""
    if sys.stderr.isatty() and not on_cluster():
        with _bar(what, total) as advance:
            yield advance
    else:
        lines = _Lines(what, total, unit)
        yield lines.advance
        lines.end()


def track(items: Iterable[T], what: str, total: int, unit: str = "items") -> Iterator[T]:
    """Iterate with progress."""
    with progress(what, total, unit) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


class _Lines:
    """Progress as log lines, at most one every LINE_EVERY seconds."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.started = self.said = time.monotonic()

    def advance(self, done: int) -> None:
        self.done += done
        now = time.monotonic()
        if now - self.said >= LINE_EVERY:
            self.said = now
            self.say(now - self.started)

    def say(self, seconds: float) -> None:
        left = seconds / self.done * max(self.total - self.done, 0) if self.done else float("nan")
        data = {"what": self.what, "done": self.done, "total": self.total, "seconds_left": round(left, 1)}
        log.info(
            "%s: %d of %d %s, %.0f s left", self.what, self.done, self.total, self.unit, left, extra={"data": data}
        )

    def end(self) -> None:
        seconds = time.monotonic() - self.started
        if seconds >= LINE_EVERY:
            data = {"what": self.what, "done": self.done, "total": self.total, "seconds": round(seconds, 1)}
            log.info("%s: %d %s in %.1f s", self.what, self.done, self.unit, seconds, extra={"data": data})
