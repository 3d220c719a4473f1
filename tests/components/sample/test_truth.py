"""A drawn folder is taken for what it is only where nothing of it has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from platen.components.sample.settings import SampleSettings
from platen.components.sample.truth import TRUTH, UNFINISHED, VERSION, Truth, content_digest, drawn, write_truth

SETTINGS = SampleSettings(pictures=24, faults=1, web=False)


def truth(folder: Path, **more: int) -> Truth:
    values = SETTINGS.model_dump(mode="json")
    return Truth(
        settings=values, planted={"blank": 1}, repaired={}, clean=24, combinations=[], digest=content_digest(folder),
        **more,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"a")
    write_truth(tmp_path, truth(tmp_path))
    return tmp_path


def test_what_was_written_is_read_back(folder: Path) -> None:
    assert drawn(SETTINGS, folder) == truth(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "pictures" / "a.png").write_bytes(b"b"),
        lambda folder: (folder / "pictures" / "a.png").rename(folder / "pictures" / "b.png"),
        lambda folder: (folder / "pictures" / "more.png").write_bytes(b""),
        lambda folder: (folder / TRUTH).unlink(),
        lambda folder: (folder / TRUTH).write_text((folder / TRUTH).read_text()[:-20]),
        lambda folder: write_truth(folder, truth(folder, version=VERSION - 1)),
    ],
    ids=["content", "name", "more", "no_truth", "cut", "older_version"],
)
def test_whatever_has_changed_it_is_drawn_again(folder: Path, change: Callable[[Path], object]) -> None:
    change(folder)
    assert drawn(SETTINGS, folder) is None


def test_other_settings_are_another_sample(folder: Path) -> None:
    assert drawn(SETTINGS.model_copy(update={"pictures": 25}), folder) is None


def test_the_mark_of_a_folder_in_the_making_is_not_part_of_it(folder: Path) -> None:
    (folder / UNFINISHED).touch()
    assert drawn(SETTINGS, folder) is not None
