from __future__ import annotations

from pathlib import Path

import pytest

from platen.artifacts.decision import DecisionMetadata
from platen.components.notify.evidence import Evidence, gather, read_object
from platen.components.notify.report.parts import needed
from platen.core import records
from platen.core.errors import CorruptError, InputError
from platen.core.records import Record
from tests.components.notify.a_run import run_chain


def test_folders_are_opened_by_stage(evidence: Evidence) -> None:
    assert evidence.notes == ()
    assert evidence.metadata("gate", DecisionMetadata) == DecisionMetadata(verdict="promote", reasons=[])
    assert evidence.metadata("no_such_stage", DecisionMetadata) is None
    assert evidence.observed("train")["samples_per_second"] == 187.3


def test_deleted_folder_is_a_note_and_the_rest_is_told(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "clean_text")
    for manifest in Path(workspace, "clean_text").glob("*/manifest.json"):
        manifest.unlink()
    found = gather(run, workspace)
    assert set(found.folders) == {"ingest"}
    assert [note.split(":")[0] for note in found.notes] == ["clean_text"]


def test_plain_folder_of_the_sample_is_not_missed(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    records.save(run, Record(name="sample", status="done", started=1.0, seconds=2.0, uri=str(tmp_path)))
    found = gather(run, str(tmp_path))
    assert [record.name for record in found.records] == ["sample"]
    assert found.notes == () and found.folders == {}


def test_corrupt_record_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "ingest.json").write_text("{}")
    found = gather(str(tmp_path), str(tmp_path))
    assert found.records == ()
    assert "ingest.json: not a stage's record" in found.notes[0]


def test_file_that_is_not_there_is_told_from_one_that_is_broken(tmp_path: Path, evidence: Evidence) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_object(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="left no output"):
        needed(evidence, "no_such_stage")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(CorruptError, match="a JSON list, not an object"):
        read_object(str(tmp_path / "list.json"))
