from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.serve.requests_log import RequestsLog
from platen.errors import StorageError

WRITER = """
import sys
from pathlib import Path
from platen.components.serve.requests_log import RequestsLog
log = RequestsLog(Path(sys.argv[1]))
for number in range(300):
    log.write({"writer": sys.argv[2], "number": number, "prompt": "long " * 500})
"""


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(st.characters(exclude_categories=["Cs"])), max_size=3)))
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, str]]) -> None:
    path = tmp_path_factory.mktemp("log") / "requests.jsonl"
    log = RequestsLog(path)
    for entry in entries:
        log.write(entry)
    log.close()
    assert [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] == entries


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for name in "abc":
        assert [line["number"] for line in lines if line["writer"] == name] == list(range(300))


def test_an_earlier_log_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "requests.jsonl"
    for number in range(2):
        log = RequestsLog(path)
        log.write({"number": number})
        log.close()
    assert path.read_text() == '{"number": 0}\n{"number": 1}\n'


def test_a_log_that_cannot_be_opened_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/requests\.jsonl.*serve\.log"):
        RequestsLog(tmp_path / "file" / "requests.jsonl")


def test_a_full_disk_loses_the_line_and_not_the_request(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestsLog(Path("/dev/full"))
    log.write({"number": 1})
    assert "is lost: No space left on device" in caplog.text
