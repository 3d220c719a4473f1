"""The request log: one JSON object a line, in the folder of the model where monitor looks.

Every process writes a stream of its own, `<host>.<start>-<number>.jsonl`: on a file system one file, in a bucket, whose
objects cannot be appended to, numbered parts that are uploaded as time goes by.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from platen.core.errors import PlatenError, StorageError
from platen.core.manifest import sha256
from platen.core.storage import is_local, join, scratch, store_for
from platen.core.telemetry import log


class Log(Protocol):
    """What takes the lines."""

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append a line."""

    def close(self) -> None:
        """Bring what was written to where it belongs, and end."""


def open_log(folder: str, every: float) -> Log:
    """A stream in a folder, or in a bucket that is uploaded to every so many seconds."""
    stream = f"{platform.node()}.{time.time_ns() // 1000}"
    return RequestsLog(Path(folder) / part_name(stream, 0)) if is_local(folder) else UploadedLog(folder, stream, every)


def part_name(stream: str, number: int) -> str:
    """The name of a part; that of a stream ends before its last dash."""
    return f"{stream}-{number:06d}.jsonl"


class RequestsLog:
    """An open log. A line that cannot be written is reported, and never fails a request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"{path}: the request log (serve.log) cannot be opened: {error.strerror}") from None

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append a line."""
        line = json.dumps(dict(entry), ensure_ascii=False).encode() + b"\n"
        try:
            written = os.write(self._file, line)  # O_APPEND: the kernel puts it whole behind what others wrote
            if written < len(line):
                os.write(self._file, b"\n")
                log.warning("%s: a line was cut short, %d of %d bytes", self.path, written, len(line))
        except OSError as error:
            log.warning("%s: a line of the request log is lost: %s", self.path, error.strerror)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class UploadedLog:
    """A log that is written below PLATEN_SCRATCH and uploaded part by part.

    What a process that was killed had not uploaded is uploaded by the next one on the same disk: a container that is
    started again in its pod.
    """

    def __init__(self, folder: str, stream: str, every: float) -> None:
        self.folder, self.stream = folder, stream
        self._desk = scratch() / "requests" / sha256(folder.encode())[:20] / stream
        self._writing, self._uploading = threading.Lock(), threading.Lock()
        self._number = 0
        self._part = RequestsLog(self._desk / part_name(stream, 0))
        self._held = _hold(self._desk)
        self._closed = deque(left_behind(self._desk.parent))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(every,), name="requests-log", daemon=True)
        self._thread.start()

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append a line."""
        with self._writing:
            self._part.write(entry)

    def upload(self) -> None:
        """Upload what was written until now, in order; what cannot be uploaded now is next time."""
        with self._uploading:
            self._turn_over()
            try:
                while self._closed:
                    store_for(self.folder).put(self._closed[0], join(self.folder, self._closed[0].name))
                    self._closed.popleft().unlink()
            except (PlatenError, OSError) as error:
                log.warning("%d part(s) of the request log wait in %s: %s", len(self._closed), self._desk, error)

    def close(self) -> None:
        """Upload the rest."""
        self._ended.set()
        self._thread.join()
        self.upload()
        self._part.close()
        if not self._closed:
            for path in (self._part.path, self._desk):
                _remove(path)
        if self._held is not None:
            os.close(self._held)

    def _run(self, every: float) -> None:
        while not self._ended.wait(every):
            self.upload()

    def _turn_over(self) -> None:
        """Go on in a new part where there is something in the present one."""
        with self._writing:
            done = self._part
            if done.path.stat().st_size:
                self._number += 1
                self._part = RequestsLog(self._desk / part_name(self.stream, self._number))
                done.close()
                self._closed.append(done.path)


def left_behind(desks: Path) -> list[Path]:
    """The parts that processes which are no more did not upload, in order."""
    found: list[Path] = []
    for desk in sorted(desks.iterdir()):
        held = _hold(desk)
        if held is not None:
            found += [path for path in sorted(desk.glob("*.jsonl")) if path.stat().st_size]
            os.close(held)
    return found


def _hold(desk: Path) -> int | None:
    """A lock on a stream's desk for as long as the process lives; None where its own process holds it."""
    held = os.open(desk, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir() if path.is_dir() else path.unlink()
