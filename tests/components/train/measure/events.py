"""Reads TensorBoard's event files: records of length, checksum, event, checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog


def read_scalars(folder: Path) -> dict[str, dict[int, float]]:
    """{name: {step: value}} of all event files; each purges what earlier ones say of its steps, as in TensorBoard."""
    found: dict[str, dict[int, float]] = {}
    for event in (event for path in sorted(folder.rglob("events.out.*"), key=begun) for event in read_events(path)):
        if event.session_log.status == SessionLog.START:
            found = {name: {at: v for at, v in row.items() if at < event.step} for name, row in found.items()}
        for value in event.summary.value:
            found.setdefault(value.tag, {})[event.step] = round(value.simple_value, 6)
    return found


def begun(path: Path) -> float:
    return float(next(read_events(path)).wall_time)


def read_events(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while header := file.read(12):
            (length,) = struct.unpack("<Q", header[:8])
            event = Event()
            event.ParseFromString(file.read(length))
            file.read(4)
            yield event
