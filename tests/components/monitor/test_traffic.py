from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.artifacts.releases import SMOKE_USER
from platen.components.monitor import traffic as module
from platen.components.monitor.traffic import Traffic, bytes_of, digest_of, pieces_of, read_traffic
from platen.components.serve.requests_log import open_log
from platen.components.serve.service import Exchange

LINE = {"time": "2026-11-01T12:00:00.000+00:00", "status": 200, "seconds": 0.5, "prompt": "a circle", "n": 2, "id": "x"}


def write(path: Path, *lines: object) -> None:
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))


def read(folder: Path, *lines: object) -> Traffic:
    write(folder / "host.1-000000.jsonl", *lines)
    return read_traffic(pieces_of(folder))


def test_requests_are_counted_by_what_they_say_of_the_server(tmp_path: Path) -> None:
    refused = {**LINE, "status": 400, "seconds": 0.001, "prompt": None, "n": None}
    lines = [LINE, LINE, refused, *({**LINE, "status": status} for status in (429, 499, 500, 504))]
    found = read(tmp_path, *lines)
    assert (found.requests, found.judged, found.failed, found.pictures) == (7, 4, 2, 4)
    assert (found.latencies, len(found.prompts)) == ([0.5, 0.5], 6)


@pytest.mark.parametrize(
    "line",
    [
        b"{\n",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"time": "2026-11-01T12:00:00Z", "status": 200}\n',
        {**LINE, "status": 99},
        json.dumps(LINE).encode()[:-5],
        {"status": 200, "seconds": 1},
        {**LINE, "time": "yesterday"},
        {**LINE, "time": "2026-11-01T12:00:00"},
    ],
    ids=[
        *("cut_short", "a_list", "not_utf8", "field_missing", "no_status", "last_line_unfinished"),
        *("no_time", "no_date", "no_zone"),
    ],
)
def test_a_line_that_is_no_request_is_counted_and_passed_over(tmp_path: Path, line: object) -> None:
    found = read(tmp_path, LINE, line)
    assert (found.requests, found.unreadable) == (1, 1)


def at(day: int, hour: int = 12, **more: object) -> dict[str, object]:
    return {**LINE, "time": f"2026-11-{day:02d}T{hour:02d}:00:00.000+00:00", **more}


def test_requests_from_before_the_window_do_not_count(tmp_path: Path) -> None:
    """Whatever the order: the streams of several servers lie side by side."""
    write(tmp_path / "a.1-000000.jsonl", at(20), at(1, status=500))
    write(tmp_path / "b.1-000000.jsonl", at(13, 11), at(13, 12))
    found = read_traffic(pieces_of(tmp_path), timedelta(days=7))
    assert (found.requests, found.older, found.failed) == (2, 2, 0)
    assert (str(found.first), str(found.last)) == ("2026-11-13 12:00:00+00:00", "2026-11-20 12:00:00+00:00")
    assert read_traffic(pieces_of(tmp_path)).requests == 4


def test_the_time_of_a_request_counts_in_whatever_zone_it_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.1-000000.jsonl", at(20), at(19), at(19, time="2026-11-19T13:00:00+02:00"))
    assert read_traffic(pieces_of(tmp_path), timedelta(days=1)).older == 1


def test_requests_of_users_to_be_ignored_neither_count_nor_move_the_window(tmp_path: Path) -> None:
    write(tmp_path / "a.1-000000.jsonl", at(1, user="me"), at(20, user=SMOKE_USER, status=500), at(2, user=None))
    found = read_traffic(pieces_of(tmp_path), timedelta(days=7), (SMOKE_USER,))
    assert (found.requests, found.ignored, found.older, found.failed) == (2, 1, 0, 0)


def test_what_is_appended_later_is_left_for_the_next_time(tmp_path: Path) -> None:
    """Another line in a stream, another part of it, and another stream."""
    read(tmp_path, LINE, LINE)
    before = pieces_of(tmp_path)
    digest, known = digest_of(before), bytes_of(before)
    assert known == {"host.1": 2 * len(json.dumps(LINE)) + 2}
    with (tmp_path / "host.1-000000.jsonl").open("ab") as file:
        file.write(json.dumps(LINE).encode() + b"\n")
    write(tmp_path / "host.1-000001.jsonl", LINE)
    write(tmp_path / "earlier.0-000000.jsonl", LINE)
    again = pieces_of(tmp_path, known)
    assert again == before
    assert (read_traffic(again).requests, digest_of(again)) == (2, digest)
    assert read_traffic(pieces_of(tmp_path)).requests == 5
    assert digest_of(pieces_of(tmp_path)) != digest


def test_parts_of_a_stream_follow_each_other_by_number(tmp_path: Path) -> None:
    for number in (0, 2, 10, 1_000_000):
        write(tmp_path / f"a-host.7-{number:06d}.jsonl", {**LINE, "status": 200 + number % 7})
    write(tmp_path / "by hand.jsonl", LINE)
    pieces = pieces_of(tmp_path)
    assert [piece.path.stem for piece in pieces[:4]] == [
        "a-host.7-000000", "a-host.7-000002", "a-host.7-000010", "a-host.7-1000000"
    ]  # fmt: skip
    assert bytes_of(pieces).keys() == {"a-host.7", "by hand"}


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "host.1-000000.jsonl").touch()
    for folder in (tmp_path, tmp_path / "nothing"):
        assert pieces_of(folder) == []
    assert read_traffic([]) == Traffic()
    assert digest_of([]) == hashlib.sha256().hexdigest()


@given(st.lists(st.sampled_from([200, 400, 503]), max_size=40), st.integers(1, 64))
def test_chunks_cut_no_line(tmp_path_factory: pytest.TempPathFactory, statuses: list[int], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", size)
        found = read(tmp_path_factory.mktemp("log"), *({**LINE, "status": status} for status in statuses))
    assert (found.requests, found.unreadable) == (len(statuses), 0)


def test_it_reads_what_the_server_writes(tmp_path: Path) -> None:
    log = open_log(str(tmp_path), 60)
    log.write(Exchange().entry(400, "invalid_value", "0" * 64))
    found = read_traffic(pieces_of(tmp_path))
    assert (dict(found.statuses), found.unreadable, found.prompts) == ({400: 1}, 0, [])
