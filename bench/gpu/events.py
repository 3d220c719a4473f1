"""Reads TensorBoard's event files: records of length, checksum, event, checksum."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboardX.proto.event_pb2 import Event

LENGTH, CHECKSUM = struct.Struct("<Q"), 4  # a record begins with the one, and each of its two parts ends with the other


def read_scalars(file: Path) -> dict[str, list[float]]:
    """Read the values of each scalar of one attempt, in the order in which they were written."""
    found: dict[str, list[float]] = defaultdict(list)
    for event in read_events(file.read_bytes()):
        for value in event.summary.value:
            found[value.tag].append(value.simple_value)
    return dict(found)


def read_events(data: bytes) -> list[Event]:
    """Read all events of a file."""
    from tensorboardX.proto.event_pb2 import Event

    events, place = [], 0
    while place < len(data):
        (length,) = LENGTH.unpack_from(data, place)
        place += LENGTH.size + CHECKSUM
        events.append(Event.FromString(data[place : place + length]))
        place += length + CHECKSUM
    return events
