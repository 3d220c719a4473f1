from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.errors import CorruptError, GateRefused, InputError, SettingsError, StorageError
from platen.core.records import Record, failed, load, refuse, run_recorded, save
from platen.core.stage import Inputs, Outcome, Place
from tests.platen.small_stages import WordSettings, word_stage

SETTINGS = "word: {word: hi}\nother: {x: 1}\n"


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(tmp_path / "run")


def test_stage_that_worked_is_recorded(tmp_path: Path, run: str) -> None:
    result = run_recorded(word_stage(), SETTINGS, {}, str(tmp_path / "ws"), run)
    again = run_recorded(word_stage(name="word"), SETTINGS, {}, str(tmp_path / "ws"), run)
    [record] = load(run)
    assert (record.name, record.status, record.error) == ("word", "done", None)
    assert (record.uri, record.digest) == (result.folder.uri, result.folder.digest)
    assert record.cached is again.cached is True
    assert result.folder.manifest.settings["word"] == "hi"


@pytest.mark.parametrize(
    ("error", "kind", "told", "code"),
    [
        (InputError("/data: no such folder"), "InputError", "/data: no such folder", 2),
        (StorageError("/ws: no space left"), "StorageError", "/ws: no space left", 1),
        (KeyError("x"), "KeyError", "KeyError: 'x'", 1),
        (ValueError("two\nlines"), "ValueError", "ValueError: two\nlines", 1),
    ],
)
def test_stage_that_raised_is_recorded_and_the_error_goes_on(
    tmp_path: Path, run: str, error: Exception, kind: str, told: str, code: int
) -> None:
    def fail(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        raise error

    with pytest.raises(type(error)) as caught:
        run_recorded(word_stage(fail), SETTINGS, {}, str(tmp_path / "ws"), run)
    [record] = load(run)
    assert caught.value is error
    assert record.error is not None and record.status == "failed" and record.uri is None
    assert (record.error.type, record.error.message, record.error.exit_code) == (kind, told, code)


def test_unusable_settings_are_recorded_too(tmp_path: Path, run: str) -> None:
    with pytest.raises(SettingsError, match=r"word\.wrod: unknown setting"):
        run_recorded(word_stage(), "word: {wrod: x}", {}, str(tmp_path / "ws"), run)
    [record] = load(run)
    assert record.error is not None and record.error.exit_code == 2


def test_failure_that_cannot_be_recorded_does_not_hide_the_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("a file where the run folder should be")
    with pytest.raises(SettingsError):
        run_recorded(word_stage(), "word: {wrod: x}", {}, str(tmp_path / "ws"), str(tmp_path / "run"))
    assert "word: its failure could not be recorded" in caplog.text


def test_records_come_in_the_order_of_the_run(run: str) -> None:
    for name, started in (("b", 2.0), ("a", 3.0), ("c", 1.0)):
        save(run, Record(name=name, status="done", started=started, seconds=1))
    save(run, failed("b", 2.5, InputError("later")))
    assert [(record.name, record.status) for record in load(run)] == [("c", "done"), ("b", "failed"), ("a", "done")]
    assert load(f"{run}/none") == []


def test_refusal_keeps_what_the_stage_made(tmp_path: Path, run: str) -> None:
    result = run_recorded(word_stage(), SETTINGS, {}, str(tmp_path / "ws"), run)
    refuse(run, "word", GateRefused("not good enough"))
    [record] = load(run)
    assert record.status == "failed" and record.uri == result.folder.uri
    assert record.error is not None and record.error.type == "GateRefused"
    with pytest.raises(InputError, match=r"gate.json: no record of gate"):
        refuse(run, "gate", GateRefused("x"))


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"name": "x", "status": "maybe"}'])
def test_record_that_is_none_is_named(run: str, data: bytes) -> None:
    path = Path(run, "stages", "word.json")
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(CorruptError, match=r"stages/word.json: not a stage's record"):
        load(run)


def test_a_stage_that_runs_twice_in_a_run_has_two_records(tmp_path: Path, run: str) -> None:
    run_recorded(word_stage(), SETTINGS, {}, str(tmp_path / "ws"), run, "word_before")
    run_recorded(word_stage(), SETTINGS, {}, str(tmp_path / "ws"), run)
    assert [(record.name, record.cached) for record in load(run)] == [("word_before", False), ("word", True)]


def test_a_failure_is_recorded_by_the_name_that_was_given(tmp_path: Path, run: str) -> None:
    with pytest.raises(SettingsError):
        run_recorded(word_stage(), "word: {wrod: x}", {}, str(tmp_path / "ws"), run, "word_before")
    assert [record.name for record in load(run)] == ["word_before"]
