"""Scalars for TensorBoard: an event file an attempt.

Written by tensorboardX's EventsWriter: its SummaryWriter hands events to a thread, for which its `flush` does not wait.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from platen.core.storage import is_local, join, saving, store_for

TENSORBOARD = "tensorboard"


class Scalars:
    """Writes them; in a bucket they appear when a checkpoint is saved, by way of the node's disk.

    Args:
        uri: The folder that gets the event files.
        desk: Folder of this node for files on their way to a bucket.
        first: Steps done; what an earlier attempt said of later ones is not shown any more.
    """

    def __init__(self, uri: str, desk: Path, first: int) -> None:
        self._uri = join(uri, TENSORBOARD)
        self._folder = Path(self._uri) if is_local(self._uri) else desk / TENSORBOARD
        with self._saving():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), f".{os.getpid()}.{first}")
            self._write(first + 1, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Values after a step."""
        found = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step, summary=Summary(value=found))

    def add_row(self, name: str, first: int, values: Sequence[float | None]) -> None:
        """A value for each of some steps in a row, the first of them `first`; None for one that has none."""
        for step, value in enumerate(values, first):
            if value is not None:
                self.add(step, {name: value})

    def flush(self) -> None:
        """Bring what was written to the node's disk."""
        with self._saving():
            self._writer.flush()

    def save(self) -> None:
        """Bring what was written to where it is read."""
        self.flush()
        if not is_local(self._uri):
            for path in self._folder.iterdir():
                store_for(self._uri).put(path, join(self._uri, path.name))

    def _write(self, step: int, **what: Summary | SessionLog) -> None:
        self._writer.write_event(Event(step=step, wall_time=time.time(), **what))

    def _saving(self) -> AbstractContextManager[None]:
        return saving(str(self._folder), "workspace" if is_local(self._uri) else "PLATEN_SCRATCH")
