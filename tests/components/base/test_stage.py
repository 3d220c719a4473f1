"""A given model is taken over as it is, and another model under its name is another input."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.components.base.settings import BaseModelSettings
from platen.components.base.stage import STAGE
from platen.core.errors import CorruptError
from platen.core.stage import Folder, Result, run_stage
from tests.committed import commit


@pytest.fixture
def dataset(tmp_path: Path) -> Folder:
    return commit(tmp_path, {"index": ""}, {"resolution": 64}, stage="merge", kind="dataset")


def provide(dataset: Folder, workspace: Path, **settings: str) -> Result:
    return run_stage(STAGE, BaseModelSettings(**settings), {"dataset": dataset.uri}, str(workspace))


def test_a_given_model_is_found_again_under_any_path_until_it_changes(
    given: Path, dataset: Folder, tmp_path: Path
) -> None:
    first = provide(dataset, tmp_path, base_model=str(given))
    assert first.folder.manifest.facts == {"trained": False, "resolution": 64}
    moved = Path(shutil.copytree(given, tmp_path / "moved"))
    again = provide(dataset, tmp_path, base_model=str(moved))
    assert (again.cached, again.folder.uri) == (True, first.folder.uri)
    config = moved / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + "\n")
    other = provide(dataset, tmp_path, base_model=str(moved))
    assert (other.cached, other.folder.digest == first.folder.digest) == (False, False)


def test_another_clip_is_another_input(given: Path, dataset: Folder, tmp_path: Path) -> None:
    first = provide(dataset, tmp_path, base_model=str(given))
    clip = Path(shutil.copytree(given / "clip", tmp_path / "clip"))
    other = provide(dataset, tmp_path, base_model=str(given), clip=str(clip))
    assert not other.cached
    assert other.folder.manifest.outside["clip"] != first.folder.manifest.outside["clip"] is None


def test_a_data_set_that_says_no_resolution_is_refused(given: Path, tmp_path: Path) -> None:
    unknown = commit(tmp_path, {"index": ""}, stage="merge", kind="dataset")
    with pytest.raises(CorruptError, match=r"facts\.resolution: Field required"):
        provide(unknown, tmp_path, base_model=str(given))
