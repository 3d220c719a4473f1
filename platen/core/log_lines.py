"""Read log lines that another process of Platen wrote (telemetry.JsonLines), or that anything else did."""

from __future__ import annotations

import json
import logging
from typing import Any, NamedTuple

OWN = ("time", "level", "message", "traceback")  # what is no data of a line


class LogLine(NamedTuple):
    """A line of a log: its level, its message, the traceback that came with it, and its data by name."""

    level: int
    message: str
    traceback: str
    data: dict[str, Any]

    @property
    def text(self) -> str:
        """The message and, below it, the traceback."""
        return "\n".join(filter(None, [self.message, self.traceback]))


def parse_line(text: str) -> LogLine:
    """Parse a line; one that is not JSON with a message is itself the message, at the level of information."""
    try:
        entry = json.loads(text) if text.startswith("{") else {}
    except ValueError:
        entry = {}
    if not isinstance(entry.get("message"), str):
        return LogLine(logging.INFO, text, "", {})
    level = logging.getLevelNamesMapping().get(str(entry.get("level")).upper(), logging.INFO)
    data = {name: value for name, value in entry.items() if name not in OWN}
    return LogLine(level, entry["message"], str(entry.get("traceback") or ""), data)
