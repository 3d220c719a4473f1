"""Logs that are read again and again come out once."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.telemetry import log
from platen.jobs.follow import LINES_PER_SECOND, Limit, Lines, role_of, tell

START = datetime(2026, 1, 1, 23, 59, 50, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12)
GAPS = st.sampled_from([0, 0, 1, 400, 1000, 300_000, 999_999_000, 1_000_000_000])  # nanoseconds between two lines


def stamp(nanoseconds: int) -> str:
    """A timestamp as the kubelet writes them."""
    whole = START + timedelta(seconds=nanoseconds // 1_000_000_000)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}Z"


def pieces(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Data in pieces, as a connection brings it."""
    ends = sorted({min(place, len(data)) for place in at} | {0, len(data)})
    return (data[start:end] for start, end in itertools.pairwise(ends))


@given(
    st.lists(st.tuples(GAPS, TEXTS), max_size=12),
    st.lists(st.tuples(st.integers(0, 700), st.lists(st.integers(0, 700), max_size=3)), max_size=5),
)
def test_every_line_once_however_often_the_connection_breaks(
    written: list[tuple[int, str]], breaks: list[tuple[int, list[int]]]
) -> None:
    times = list(itertools.accumulate(gap for gap, _ in written))
    lines = [(at, f"{stamp(at)} {text}\n".encode()) for at, (_, text) in zip(times, written, strict=True)]
    read, found = Lines(), []

    def from_the_last_second() -> bytes:
        """What the API server sends: sinceTime has whole seconds."""
        return b"".join(line for at, line in lines if stamp(at) >= read.stamp[:19])

    for length, cuts in breaks:
        found += read.new(pieces(from_the_last_second()[:length], cuts), whole=False)
    found += read.new(pieces(from_the_last_second(), []), whole=True)
    assert found == [text for _, text in written]


def test_a_last_line_without_line_feed_is_told_once_it_is_the_last() -> None:
    data, read = f"{stamp(1)} one\n{stamp(2)} tw".encode(), Lines()
    assert list(read.new(iter([data]), whole=False)) == ["one"]
    assert list(read.new(iter([data + b"o"]), whole=True)) == ["two"]


def test_a_clock_that_was_set_back_loses_no_line() -> None:
    data = f"{stamp(5_000_000_000)} one\n{stamp(1)} two\n".encode()
    assert list(Lines().new(iter([data]), whole=True)) == ["one", "two"]


def test_the_kubelets_own_words_are_left_out() -> None:
    data = b"unable to retrieve container logs for containerd://12ab\n" + f"{stamp(1)} one\n".encode()
    assert list(Lines().new(iter([data]), whole=True)) == ["one"]


def test_a_flood_is_cut_and_its_size_told() -> None:
    said: list[str] = []
    now = [0.0]
    limit = Limit(said.append, clock=lambda: now[0])
    for number in range(LINES_PER_SECOND + 7):
        limit.pass_on(str(number))
    assert said == [str(number) for number in range(LINES_PER_SECOND)]
    now[0] = 1.0
    limit.pass_on("after")
    assert said[LINES_PER_SECOND:] == ["(7 lines left out; they came at more than 50 a second)", "after"]
    limit.end()
    assert said[-1] == "after"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.DEBUG, "platen")
    return caplog


def test_the_trainers_line_keeps_its_rank_level_and_data(told: pytest.LogCaptureFixture) -> None:
    line = {"time": "t", "level": "warning", "message": "step 4", "step": 4, "loss": 0.5}
    tell("worker-0", f"[rank 3] {json.dumps(line)}")
    (record,) = told.records
    assert (record.getMessage(), record.levelno) == ("[rank 3] step 4", logging.WARNING)
    assert record.data == {"step": 4, "loss": 0.5, "rank": 3}  # type: ignore[attr-defined]


def test_a_line_of_no_rank_is_told_by_its_pod(told: pytest.LogCaptureFixture) -> None:
    tell(role_of("train-0123456789abcdef-worker-11"), "some words")
    tell("worker-11", "   ")
    (record,) = told.records
    assert record.getMessage() == "[worker-11] some words"
