from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platen.core.errors import CorruptError, InputError
from platen.core.manifest import MANIFEST, RUN
from platen.core.stage import Inputs, Outcome, Place, find, open_folder, resolve, run_stage, wanted_inputs
from tests.platen.small_stages import READ, WordSettings, word_stage

REPOSITORY = Path(__file__).parents[3]


def committed(workspace: Path) -> list[str]:
    return sorted(path.parent.name for path in workspace.glob("*/*/" + MANIFEST))


def hidden(workspace: Path) -> list[str]:
    return sorted(path.name for path in workspace.glob("*/.*"))


def test_output_is_committed_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    result = run_stage(word_stage(), WordSettings(word="hi", times=2), {}, str(tmp_path))
    manifest = result.folder.manifest
    assert not result.cached and result.seconds > 0
    assert result.folder.uri == f"{tmp_path}/word/{manifest.fingerprint}"
    assert (result.folder.path / "words" / "word.txt").read_text() == "hihi"
    assert (manifest.kind, manifest.counts, manifest.dropped) == ("report", {"words": 2}, {"a": 2, "b": 1})
    assert manifest.settings == {"word": "hi", "times": 2} and manifest.made_by.stage == "word"
    assert committed(tmp_path) == [manifest.fingerprint] and hidden(tmp_path) == []


def test_what_varies_is_beside_the_manifest(tmp_path: Path) -> None:
    folder = run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder
    run = json.loads((folder.path / RUN).read_bytes())
    assert run["speed"] == 3.5 and run["seconds"] >= 0 and {"host", "finished"} <= run.keys()
    assert RUN not in [file.path for file in folder.manifest.files]
    (folder.path / RUN).write_bytes(b"{}")
    assert open_folder(folder.uri).digest == folder.digest


def test_second_run_finds_the_first(tmp_path: Path) -> None:
    first = run_stage(word_stage(), WordSettings(workers=1), {}, str(tmp_path))
    second = run_stage(word_stage(), WordSettings(workers=9), {}, str(tmp_path))
    assert second.cached and second.folder.digest == first.folder.digest


def test_advice_changes_how_and_not_what(tmp_path: Path) -> None:
    asked: list[int] = []

    def work(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        asked.append(settings.workers)
        assert not inputs
        return Outcome()

    def advised(settings: WordSettings, inputs: Inputs) -> WordSettings:
        return settings.model_copy(update={"workers": inputs["hint"].manifest.counts["words"]})

    hint = run_stage(word_stage(), WordSettings(times=7), {}, str(tmp_path)).folder
    stage = replace(word_stage(work, name="advised"), advice={"hint": "report"}, advised=advised)
    made = run_stage(stage, WordSettings(), {"hint": hint.uri}, str(tmp_path))
    assert asked == [7]
    assert made.folder.manifest.inputs == {}
    assert json.loads(made.folder.read(RUN) or b"")["hint"] == hint.uri
    assert run_stage(stage, WordSettings(), {}, str(tmp_path)).cached


@given(st.text(max_size=5), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_digest_is_the_same_wherever_it_is_made(
    tmp_path_factory: pytest.TempPathFactory, word: str, times: int, version: int
) -> None:
    chosen = WordSettings(word=word.encode("utf-8", "ignore").decode(), times=times)
    roots = [str(tmp_path_factory.mktemp("ws")) for _ in range(2)]
    one, other = (run_stage(word_stage(version=version), chosen, {}, root).folder for root in roots)
    assert one.digest == other.digest and one.manifest.fingerprint == other.manifest.fingerprint


def test_each_thing_the_output_depends_on_names_another_folder(tmp_path: Path) -> None:
    workspace = str(tmp_path)
    base = run_stage(word_stage(), WordSettings(), {}, workspace).folder
    others = [
        run_stage(word_stage(), WordSettings(word="other"), {}, workspace).folder,
        run_stage(word_stage(version=2), WordSettings(), {}, workspace).folder,
        run_stage(word_stage(name="word2"), WordSettings(), {}, workspace).folder,
    ]
    read = [run_stage(READ, WordSettings(), {"text": folder.uri}, workspace).folder for folder in (base, others[0])]
    names = {folder.manifest.fingerprint for folder in (base, *others, *read)}
    assert len(names) == 6
    assert read[0].manifest.inputs["text"].digest == base.digest


def test_spelling_of_the_workspace_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digests = []
    for workspace in ("one", "./two/", str(tmp_path / "three")):
        word = run_stage(word_stage(), WordSettings(), {}, workspace).folder
        for uri in (word.uri, str(Path(word.uri).resolve())):
            made = run_stage(READ, WordSettings(), {"text": uri}, workspace).folder
            digests.append(made.digest)
            (made.path / MANIFEST).unlink()
    assert len(set(digests)) == 1


def test_manifest_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    first = run_stage(word_stage(), WordSettings(), {}, str(tmp_path))
    (first.folder.path / MANIFEST).unlink()
    assert find(first.folder.uri) is None
    again = run_stage(word_stage(), WordSettings(), {}, str(tmp_path))
    assert not again.cached and again.folder.digest == first.folder.digest


def test_input_that_was_changed_after_its_commit_is_refused(tmp_path: Path) -> None:
    word = run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder
    (word.path / "words" / "word.txt").write_text("jello")
    with pytest.raises(CorruptError, match=r"words/word.txt: SHA-256"):
        run_stage(READ, WordSettings(), {"text": word.uri}, str(tmp_path))
    assert committed(tmp_path) == [word.manifest.fingerprint]


def test_an_input_of_another_kind_is_refused(tmp_path: Path) -> None:
    report = run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder
    stage = replace(READ, inputs={"dataset": "dataset"}, optional_inputs={})
    with pytest.raises(InputError, match=r"report, made by word, as the input 'dataset'\. Accepted: .* kind dataset"):
        run_stage(stage, WordSettings(), {"dataset": report.uri}, str(tmp_path))
    assert committed(tmp_path) == [report.manifest.fingerprint]


def test_manifest_that_was_edited_is_refused(tmp_path: Path) -> None:
    word = run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder
    path = word.path / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"words": 1', b'"words": "many"'))
    with pytest.raises(CorruptError, match=r"manifest.json: corrupt manifest: counts.words"):
        run_stage(word_stage(), WordSettings(), {}, str(tmp_path))


def test_stage_that_raises_commits_nothing_and_can_run_again(tmp_path: Path) -> None:
    def fail(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        (place.out / "half.txt").write_text("half")
        raise InputError("/data: no such folder")

    with pytest.raises(InputError, match="/data"):
        run_stage(word_stage(fail), WordSettings(), {}, str(tmp_path))
    assert committed(tmp_path) == []
    again = run_stage(word_stage(), WordSettings(), {}, str(tmp_path))
    assert [file.path for file in again.folder.manifest.files] == ["words/word.txt"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize(("resumable", "found"), [(True, ["done.txt"]), (False, [])])
def test_only_a_resumable_stage_finds_what_it_had_written(tmp_path: Path, resumable: bool, found: list[str]) -> None:
    seen: list[list[str]] = []

    def work(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        seen.append(sorted(path.name for path in place.out.iterdir()))
        (place.scratch / "kept.txt").write_text("x")
        if len(seen) == 1:
            (place.out / "done.txt").write_text("x")
            (place.out / ".half.tmp").write_text("x")
            raise InputError("not yet")
        (place.out / "done.txt").write_text("x")
        return Outcome()

    stage = word_stage(work, resumable=resumable)
    with pytest.raises(InputError):
        run_stage(stage, WordSettings(), {}, str(tmp_path))
    result = run_stage(stage, WordSettings(), {}, str(tmp_path))
    assert [name for name in seen[1] if name != ".half.tmp"] == found
    assert [file.path for file in result.folder.manifest.files] == ["done.txt"]


def test_inputs_are_checked_by_name(tmp_path: Path) -> None:
    assert wanted_inputs(READ, {"text": "a", "other": "b"}) == {"text": "a", "other": "b"}
    with pytest.raises(InputError, match=r"read has no input 'txt'. Accepted: text, other"):
        wanted_inputs(READ, {"txt": "a"})
    with pytest.raises(InputError, match="read needs the input 'text'"):
        wanted_inputs(READ, {"other": "b"})
    with pytest.raises(InputError, match=r"none: nothing committed here"):
        run_stage(READ, WordSettings(), {"text": str(tmp_path / "none")}, str(tmp_path))


def test_relative_uri_lies_in_the_workspace() -> None:
    assert resolve("ingest/ab12", "/ws") == "/ws/ingest/ab12"
    assert resolve("/else/ingest/ab12", "/ws") == "/else/ingest/ab12"
    assert resolve("gs://b/ingest/ab12", "/ws") == "gs://b/ingest/ab12"
    assert resolve("ingest/ab12", "") == "ingest/ab12"


CHILD = """
    import os, sys, time
    from pathlib import Path
    from platen.core.stage import Outcome, run_stage
    from tests.platen.small_stages import WordSettings, word_stage, write_word

    def work(settings, inputs, place):
        outcome = write_word(settings, inputs, place)
        with open(sys.argv[2], "a") as file:
            file.write("x")
        {pause}
        return outcome

    result = run_stage(word_stage(work), WordSettings(), {{}}, sys.argv[1])
    print(result.cached, result.folder.digest)
"""


def start(workspace: Path, marks: Path, pause: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(CHILD).format(pause=pause)
    argv = [sys.executable, "-c", code, str(workspace), str(marks)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def test_killed_stage_commits_nothing_and_the_next_run_commits_the_same(tmp_path: Path) -> None:
    whole = run_stage(word_stage(), WordSettings(), {}, str(tmp_path / "whole")).folder
    workspace, marks = tmp_path / "ws", tmp_path / "marks"
    child = start(workspace, marks, "os.kill(os.getpid(), 9)")
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL and marks.read_text() == "x"
    assert committed(workspace) == [] and hidden(workspace) != []
    again = run_stage(word_stage(), WordSettings(), {}, str(workspace))
    assert not again.cached and again.folder.digest == whole.digest
    assert hidden(workspace) == []


def test_two_processes_at_once_make_it_once(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    children = [start(tmp_path / "ws", marks, "time.sleep(0.5)") for _ in range(3)]
    told = [child.communicate(timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert marks.read_text() == "x"
    assert sorted(cached for cached, _ in told) == ["False", "True", "True"]
    assert len({digest for _, digest in told}) == 1 and hidden(tmp_path / "ws") == []


def test_image_of_the_container_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PLATEN_IMAGE", "platen/word@sha256:1")
    assert (
        run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder.manifest.made_by.image
        == "platen/word@sha256:1"
    )
