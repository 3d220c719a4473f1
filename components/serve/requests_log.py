"""The request log: one JSON object a line, appended in one write, so that several servers can share a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platen.errors import StorageError
from platen.telemetry import log


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
