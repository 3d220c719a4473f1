from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.serve.requests_log import RequestsLog, UploadedLog, left_behind, open_log
from platen.core.errors import StorageError
from platen.core.storage import local_copy, store_for

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


def lines(folder: str) -> list[dict[str, object]]:
    """What monitor would read, in its order."""
    parts = sorted(local_copy(folder).glob("*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def test_a_log_in_a_folder_is_a_file_of_its_own(tmp_path: Path) -> None:
    logs = [open_log(str(tmp_path / "requests"), 60) for _ in range(2)]
    for number, log in enumerate(logs):
        log.write({"number": number})
        log.close()
    assert [line["number"] for line in lines(str(tmp_path / "requests"))] == [0, 1]
    assert len(list((tmp_path / "requests").iterdir())) == 2


def test_parts_are_uploaded_as_time_goes_by_and_at_the_end(prefix: str, scratch: Path) -> None:
    log = open_log(prefix, 60)
    assert isinstance(log, UploadedLog)
    for number in range(3):
        log.write({"number": number})
        if number < 2:
            log.upload()
    log.upload()
    log.upload()  # nothing new: no empty part
    log.write({"number": 3})
    log.close()
    assert [line["number"] for line in lines(prefix)] == [0, 1, 2, 3]
    assert len(store_for(prefix).list(prefix)) == 4
    assert list((scratch / "requests").rglob("*.jsonl")) == []


def test_uploads_come_by_themselves(prefix: str) -> None:
    log = open_log(prefix, 0.05)
    log.write({"number": 0})
    while not store_for(prefix).list(prefix):
        time.sleep(0.05)
    log.close()
    assert lines(prefix) == [{"number": 0}]


KILLED = """
import os, sys
from platen.components.serve.requests_log import open_log
log = open_log(sys.argv[1], 3600)
for number in range(3):
    log.write({"number": number})
    if number == 0:
        log.upload()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_server_had_not_uploaded_comes_with_the_next_on_its_disk(prefix: str) -> None:
    subprocess.run([sys.executable, "-c", KILLED, prefix], check=False)
    assert [line["number"] for line in lines(prefix)] == [0]
    log = open_log(prefix, 3600)
    log.write({"number": 3})
    log.close()
    assert [line["number"] for line in lines(prefix)] == [0, 1, 2, 3]


def test_parts_of_a_server_that_lives_are_left_alone(prefix: str, scratch: Path) -> None:
    log = open_log(prefix, 3600)
    log.write({"number": 0})
    [desks] = (scratch / "requests").iterdir()
    assert left_behind(desks) == []
    log.close()


def test_parts_wait_in_order_while_the_store_is_away(
    prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_log(prefix, 3600)
    assert isinstance(log, UploadedLog)
    emulator = os.environ["STORAGE_EMULATOR_HOST"]
    monkeypatch.setattr("platen.core.storage.client.PATIENCE", 0.1)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    for number in range(2):
        log.write({"number": number})
        log.upload()
    assert "2 part(s) of the request log wait" in caplog.text and "cannot be reached" in caplog.text
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    log.close()
    assert [line["number"] for line in lines(prefix)] == [0, 1]
