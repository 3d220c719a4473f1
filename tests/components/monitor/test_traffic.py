from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.monitor import traffic as module
from platen.components.monitor.traffic import Traffic, digest_of, read_traffic, size_of
from platen.components.serve.requests_log import RequestsLog
from platen.components.serve.service import Exchange

LINE = {"status": 200, "seconds": 0.5, "prompt": "a circle", "n": 2, "id": "x"}


def read(path: Path, *lines: object) -> Traffic:
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return read_traffic(path, size_of(path))


def test_requests_are_counted_by_what_they_say_of_the_server(tmp_path: Path) -> None:
    refused = {"status": 400, "seconds": 0.001, "prompt": None, "n": None}
    lines = [LINE, LINE, refused, *({**LINE, "status": status} for status in (429, 499, 500, 504))]
    found = read(tmp_path / "log", *lines)
    assert (found.requests, found.judged, found.failed, found.pictures) == (7, 4, 2, 4)
    assert (found.latencies, len(found.prompts)) == ([0.5, 0.5], 6)


@pytest.mark.parametrize(
    "line",
    [b"{\n", b"[]\n", b"\xff\xfe\n", b'{"status": 200}\n', b'{"status": 99, "seconds": 1}\n', b'{"status": 200, "sec'],
    ids=["cut_short", "a_list", "not_utf8", "field_missing", "no_status", "last_line_unfinished"],
)
def test_a_line_that_is_no_request_is_counted_and_passed_over(tmp_path: Path, line: bytes) -> None:
    found = read(tmp_path / "log", LINE, line)
    assert (found.requests, found.unreadable) == (1, 1)


def test_what_is_appended_later_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    read(path, LINE, LINE)
    size = size_of(path)
    before = digest_of(path, size)
    with path.open("ab") as file:
        file.write(json.dumps(LINE).encode() + b"\n")
    assert read_traffic(path, size).requests == 2
    assert digest_of(path, size) == before != digest_of(path, size_of(path))


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    assert size_of(path) == 0
    assert read_traffic(path, 0) == Traffic()
    assert digest_of(path, 0) == hashlib.sha256().hexdigest()


@given(st.lists(st.sampled_from([200, 400, 503]), max_size=40), st.integers(1, 64))
def test_chunks_cut_no_line(tmp_path_factory: pytest.TempPathFactory, statuses: list[int], size: int) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", size)
        found = read(path, *({**LINE, "status": status} for status in statuses))
    assert (found.requests, found.unreadable) == (len(statuses), 0)


def test_it_reads_what_the_server_writes(tmp_path: Path) -> None:
    log = RequestsLog(tmp_path / "log")
    log.write(Exchange().entry(400, "invalid_value", "0" * 64))
    found = read_traffic(tmp_path / "log", size_of(tmp_path / "log"))
    assert (dict(found.statuses), found.unreadable, found.prompts) == ({400: 1}, 0, [])
