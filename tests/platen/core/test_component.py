from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from platen.core.component import execute, exit_on_error, read_reference, write_reference
from platen.core.errors import CorruptError, InputError, StorageError
from platen.core.records import load
from platen.core.stage import run_stage
from tests.platen.small_stages import READ, WordSettings, word_stage


@dataclass
class Artifact:
    """What kfp hands over."""

    path: str
    metadata: dict[str, Any] = field(default_factory=dict)


def test_artifact_leads_to_the_next_stage(tmp_path: Path) -> None:
    first, second = Artifact(str(tmp_path / "a" / "first")), Artifact(str(tmp_path / "a" / "second"))
    workspace, run = str(tmp_path / "ws"), str(tmp_path / "run")
    made = execute(word_stage(), "word: {word: hi}", workspace, run, {}, first)
    result = execute(READ, "", workspace, run, {"text": first}, second)
    assert result.folder.manifest.inputs["text"].digest == made.folder.digest
    assert read_reference(Path(second.path)) == result.folder.uri
    assert [record.name for record in load(run)] == ["word", "read"]


def test_on_a_cluster_each_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(tmp_path / "run")
    for name in ("monday", "tuesday"):
        monkeypatch.setenv("PLATEN_RUN_ID", name)
        execute(word_stage(), "word: {word: hi}", str(tmp_path / "ws"), run, {}, Artifact(str(tmp_path / name)))
    assert [len(load(f"{run}/{name}")) for name in ("monday", "tuesday")] == [1, 1]
    assert load(run) == []


def test_metadata_says_what_a_person_wants_to_see(tmp_path: Path) -> None:
    result = run_stage(word_stage(), WordSettings(times=3), {}, str(tmp_path))
    artifact = Artifact(str(tmp_path / "out" / "artifact"))
    write_reference(artifact, result)
    assert artifact.metadata["uri"] == result.folder.uri and artifact.metadata["cached"] is False
    assert (artifact.metadata["count_words"], artifact.metadata["dropped_a"]) == (3, 2)
    reference = json.loads(Path(artifact.path).read_bytes())
    assert reference["digest"] == result.folder.digest
    assert reference["manifest"] == result.folder.manifest.model_dump(mode="json")


@pytest.mark.parametrize(("settings", "code"), [("word: {wrod: x}", 2), ("- a list", 2)])
def test_users_mistake_ends_the_process_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, code: int
) -> None:
    output = Artifact(str(tmp_path / "artifact"))
    with pytest.raises(SystemExit) as caught:
        execute(word_stage(), settings, str(tmp_path / "ws"), str(tmp_path / "run"), {}, output)
    assert caught.value.code == code
    assert "word: " in capsys.readouterr().err
    assert not Path(output.path).exists() and output.metadata == {}


def test_exit_code_is_the_errors_own(capsys: pytest.CaptureFixture[str]) -> None:
    for error, code in ((InputError("/data: empty"), 2), (StorageError("/ws: no space left"), 1)):
        with pytest.raises(SystemExit) as caught, exit_on_error("word"):
            raise error
        assert caught.value.code == code
    with pytest.raises(KeyError), exit_on_error("word"):
        raise KeyError("a fault of ours keeps its traceback")


BROKEN = {"missing": None, "empty": b"", "not_json": b"{", "list": b"[]", "no_uri": b"{}"}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_artifact_of_something_else_is_refused(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "artifact"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CorruptError, match="artifact: not an artifact of a Platen stage"):
        read_reference(path)
