"""A run on this machine: what is shown of it, what is forgotten before it, and what is raised after it."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platen.core import records
from platen.core.errors import InputError
from platen.core.records import failed
from platen.core.telemetry import LINE_MARK
from platen.pipelines.local import _Tee, clear_records, failure, local_folder


@given(st.lists(st.tuples(st.booleans(), st.text(st.characters(exclude_characters="\n\r"))), max_size=8), st.data())
@settings(max_examples=30)
def test_lines_of_stages_are_shown_whole_however_they_come(lines: list[tuple[bool, str]], data: st.DataObject) -> None:
    text = "".join(f"kfp says {LINE_MARK if marked else ''}{words}\n" for marked, words in lines)
    raw, shown = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", shown)
        tee = _Tee(raw)
        while text:
            cut = data.draw(st.integers(1, len(text)))
            assert tee.write(text[:cut]) == cut
            text = text[cut:]
    assert shown.getvalue() == "".join(f"{words}\n" for marked, words in lines if marked)
    assert raw.getvalue().count("\n") == len(lines)


def test_an_earlier_run_s_records_are_gone_but_for_the_sample_that_this_one_reads(tmp_path: Path) -> None:
    stages = tmp_path / "stages"
    stages.mkdir()
    for name in ("ingest.json", "sample.json", "notes.txt"):
        (stages / name).write_text("{}")
    clear_records(str(tmp_path))
    assert sorted(path.name for path in stages.iterdir()) == ["notes.txt", "sample.json"]
    clear_records(str(tmp_path / "new"))


def test_what_is_raised_is_what_the_stage_raised(tmp_path: Path) -> None:
    assert failure(str(tmp_path)) is None
    records.save(str(tmp_path), failed("ingest", time.time(), InputError("/data: no such folder")))
    error = failure(str(tmp_path))
    assert (type(error), str(error)) == (InputError, "ingest: /data: no such folder")


def test_what_is_not_for_a_bucket_is_kept_on_this_machine(scratch: Path) -> None:
    assert local_folder("runs/demo") == Path("runs/demo")
    assert local_folder("gs://bucket/runs/1") == scratch / "runs" / "bucket" / "runs" / "1"
