"""A Chrome trace of some steps, when the settings or SIGUSR1 ask for one."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from platen.components.train.measure.settings import TraceSettings
from platen.core.storage import is_local, join, saving, store_for
from platen.core.telemetry import log

TRACES = "traces"


class Tracer:
    """Traces a rank's steps; chrome://tracing and ui.perfetto.dev open what it writes.

    Args:
        settings: Which steps; None: none but those that SIGUSR1 asks for.
        uri: The folder that gets the trace.
        desk: Folder of this node for files on their way to a bucket.
        rank: This rank.
    """

    def __init__(self, settings: TraceSettings | None, uri: str, desk: Path, rank: int) -> None:
        self._settings = settings or TraceSettings()
        self._from = self._settings.first_step if settings and rank in settings.ranks else None
        self._uri, self._desk, self._rank = join(uri, TRACES), desk, rank
        self._profile: Any = None
        self._first = 0

    @property
    def runs(self) -> bool:
        """Whether a trace is being taken."""
        return self._profile is not None

    def listen(self) -> None:
        """From now on SIGUSR1 has the next steps traced."""
        signal.signal(signal.SIGUSR1, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self._from = 0

    def step(self, step: int) -> None:
        """A step begins (from 0); a trace begins or ends with it."""
        if self._profile is not None and step >= self._first + self._settings.steps:
            self.end()
        if self._from is not None and step >= self._from and self._profile is None:
            self._from, self._first = None, step
            gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
            self._profile = profile(activities=[ProfilerActivity.CPU, *gpu], record_shapes=True)
            self._profile.start()

    def end(self) -> None:
        """Write the trace that is being taken, if any."""
        if self._profile is None:
            return
        self._profile.stop()
        name = f"step-{self._first:08d}-rank-{self._rank}.json.gz"
        uri = join(self._uri, name)
        path = Path(uri) if is_local(uri) else self._desk / name
        with saving(str(path), "workspace" if is_local(uri) else "PLATEN_SCRATCH"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._profile.export_chrome_trace(str(path))
        self._profile = None
        if not is_local(uri):
            store_for(uri).put(path, uri)
            path.unlink()
        log.info("trace of step %d and after: %s", self._first + 1, uri)
