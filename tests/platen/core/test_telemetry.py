from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from platen.core import telemetry
from platen.core.telemetry import LINE_MARK, MARKED, JsonLines, log, on_cluster, progress, set_up_logging, track

QUICK = "from platen.core import telemetry; telemetry.LINE_EVERY = 0; telemetry.set_up_logging()\n"
TRACK = QUICK + "list(telemetry.track(range(3), 'reading', 3, 'shards'))\n"


def lines_of(code: str, **env: str) -> list[str]:
    """Standard error of a Python process."""
    outer = {key: value for key, value in os.environ.items() if key not in ("PLATEN_LOG", "KUBERNETES_SERVICE_HOST")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**outer, **env}, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_outside_a_terminal_progress_is_lines() -> None:
    lines = lines_of(TRACK)
    assert lines[0].startswith("reading: 1 of 3 shards, ") and lines[0].endswith(" s left")
    assert lines[2].startswith("reading: 3 of 3 shards, 0 s left")
    assert lines[3].startswith("reading: 3 shards in ")


def test_log_collector_gets_json_lines() -> None:
    entries = [json.loads(line) for line in lines_of(TRACK, PLATEN_LOG="json")]
    assert [entry["done"] for entry in entries] == [1, 2, 3, 3]
    assert {"time", "level", "message", "what", "total", "seconds_left"} <= entries[0].keys()
    on_a_cluster = lines_of(TRACK, KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert json.loads(on_a_cluster[0])["level"] == "info"


def test_marked_lines_can_be_told_from_others() -> None:
    lines = lines_of(TRACK, PLATEN_LOG=MARKED)
    assert len(lines) == 4 and all(line.startswith(LINE_MARK) for line in lines)


def test_in_a_terminal_progress_is_a_bar() -> None:
    main, side = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    env.pop("PLATEN_LOG", None)
    process = subprocess.Popen([sys.executable, "-c", TRACK], env=env, stderr=side, stdout=side)
    os.close(side)
    shown = b""
    while True:
        try:
            data = os.read(main, 4096)
        except OSError:
            break
        shown += data
    os.close(main)
    assert process.wait(timeout=30) == 0
    assert b"reading" in shown and b"3/3" in shown
    assert b" s left" not in shown


def test_short_work_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert list(track("abc", "reading", 3)) == ["a", "b", "c"]
    assert caplog.text == ""


def test_progress_that_advances_by_more(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "LINE_EVERY", 0.0)
    with progress("writing", 10, "rows") as advance:
        advance(0)
        advance(4)
        advance(8)
    told = [record.data for record in caplog.records]  # type: ignore[attr-defined]
    assert [entry["done"] for entry in told] == [0, 4, 12, 12]
    assert told[2]["seconds_left"] == 0


def test_json_line_carries_data_and_traceback() -> None:
    try:
        raise KeyError("x")
    except KeyError:
        record = logging.LogRecord("platen", logging.ERROR, "f", 1, "%s ü", ("broke",), sys.exc_info())
    record.data = {"stage": "ingest", "path": Path("/x")}
    entry = json.loads(JsonLines().format(record))
    assert (entry["level"], entry["message"], entry["stage"], entry["path"]) == ("error", "broke ü", "ingest", "/x")
    assert "KeyError: 'x'" in entry["traceback"] and "\n" not in JsonLines().format(record)


def test_logging_set_up_twice_says_things_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging()
    set_up_logging()
    log.info("once")
    log.debug("not at this level")
    assert capsys.readouterr().err == "once\n"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, False),
        ({"PLATEN_LOG": "json"}, True),
        ({"KUBERNETES_SERVICE_HOST": "x"}, True),
        ({"PLATEN_LOG": MARKED}, False),
    ],
)
def test_where_lines_are_read(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], expected: bool) -> None:
    for name in ("PLATEN_LOG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert on_cluster() is expected
