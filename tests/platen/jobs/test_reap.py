from __future__ import annotations

import time
from typing import Any

import pytest

from platen.jobs.pods import parse_timestamp, timestamp
from platen.jobs.reap import is_left


def job(followed: float | None = None, created: float = 1000, ended: str = "", deleted: bool = False) -> Any:
    """A job as the API server tells it; times in seconds ago."""
    annotations = {} if followed is None else {"platen.dev/followed-at": timestamp(time.time() - followed)}
    metadata = {"creationTimestamp": timestamp(time.time() - created), "annotations": annotations}
    gone = {"deletionTimestamp": timestamp(time.time())} if deleted else {}
    conditions = [{"type": "Running", "status": "False"}, {"type": ended, "status": "True"}] if ended else []
    return {"metadata": {**metadata, **gone}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ({"followed": 400}, True),
        ({"followed": 100}, False),
        ({}, True),
        ({"created": 100}, False),
        ({"followed": 400, "ended": "Succeeded"}, False),
        ({"followed": 400, "ended": "Failed"}, False),
        ({"followed": 400, "deleted": True}, False),
    ],
    ids=["long ago", "just now", "never", "never, but new", "done", "failed", "going already"],
)
def test_what_nobody_follows(found: dict[str, Any], left: bool) -> None:
    assert is_left(job(**found), older_than=300) == left  # made now: the tests before this one take their time


def test_times_are_read_as_they_are_written() -> None:
    assert parse_timestamp(timestamp(1_800_000_000)) == 1_800_000_000
    assert timestamp(1_800_000_000).endswith("Z")
