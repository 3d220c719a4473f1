from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platen.core.errors import CorruptError, InputError
from platen.core.lineage import verify, walk, workspace_of
from platen.core.manifest import MANIFEST
from platen.core.stage import Folder, Inputs, Outcome, Place, run_stage
from tests.platen.small_stages import READ, WordSettings, word_stage


def first_of(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
    (place.out / "word.txt").write_text(str(settings.times))
    return Outcome()


@pytest.fixture
def chain(tmp_path: Path) -> list[Folder]:
    """A word, and 24 stages that each read the one before under two names: 2^24 ways back to the word."""
    reader = replace(READ, kind="report", work=first_of)  # one that can read its own
    folders = [run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder]
    for number in range(1, 25):
        inputs = {"text": folders[-1].uri, "other": folders[-1].uri}
        folders.append(run_stage(reader, WordSettings(times=number), inputs, str(tmp_path)).folder)
    return folders


def test_everything_a_folder_was_made_from_is_walked(chain: list[Folder]) -> None:
    links = list(walk(chain[2].uri))
    assert [(link.depth, link.role) for link in links][:3] == [(0, "start"), (1, "other"), (2, "other")]
    assert {link.folder.digest for link in links} == {folder.digest for folder in chain[:3]}
    assert links[-1].role == "text"


def test_folder_read_many_times_is_followed_once(chain: list[Folder]) -> None:
    assert len(list(walk(chain[-1].uri))) == 2 * (len(chain) - 1) + 1


def test_source_that_is_gone_or_another_one_is_told(chain: list[Folder]) -> None:
    word = chain[0]
    path = word.path / MANIFEST
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"word": "hello"', b'"word": "jello"'))
    with pytest.raises(CorruptError, match=f"digest .* but {chain[1].uri} read {word.digest}"):
        list(walk(chain[1].uri))
    path.unlink()
    with pytest.raises(InputError, match="nothing committed here"):
        list(walk(chain[1].uri))


def test_verify_hashes_every_file_again(chain: list[Folder]) -> None:
    assert verify(chain[0].uri) == 1
    (chain[0].path / "words" / "word.txt").write_text("jello")
    with pytest.raises(CorruptError, match=r"words/word.txt: SHA-256"):
        verify(chain[0].uri)


def test_workspace_is_two_folders_up() -> None:
    assert workspace_of("/ws/ingest/ab12") == workspace_of("/ws/ingest/ab12/") == "/ws"
    assert workspace_of("gs://bucket/ws/ingest/ab12") == "gs://bucket/ws"
