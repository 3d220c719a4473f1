from __future__ import annotations

import json
import logging

import pytest

from platen.core.log_lines import LogLine, parse_line
from platen.core.telemetry import JsonLines


@pytest.mark.parametrize("text", ["{", "{}", '{"message": 3}', "[1]", '{"level": "info"}', ""])
def test_what_is_no_entry_is_plain_text(text: str) -> None:
    assert parse_line(text) == LogLine(logging.INFO, text, "", {})


def test_a_traceback_is_part_of_the_text() -> None:
    line = parse_line(json.dumps({"level": "error", "message": "failed", "traceback": "Traceback\n  x"}))
    assert (line.level, line.text, line.data) == (logging.ERROR, "failed\nTraceback\n  x", {})


def test_lines_are_read_as_they_are_written() -> None:
    record = logging.LogRecord("platen", logging.WARNING, "", 0, "%d of %d", (1, 2), None)
    record.data = {"step": 4, "url": "http://a"}
    assert parse_line(JsonLines().format(record)) == LogLine(logging.WARNING, "1 of 2", "", record.data)
