"""Delivering the sample to a workspace: once, whole, and beside other samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from platen.components.sample.delivery import deliver, shared_folder
from platen.components.sample.settings import SampleSettings
from platen.components.sample.truth import TRUTH, Truth
from platen.core import records
from platen.core.storage import join, store_for

SMALL = SampleSettings(pictures=24, faults=1, web=False)


@pytest.fixture(params=["volume", "bucket"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, scratch: Path) -> str:
    return str(tmp_path / "ws") if request.param == "volume" else f"{request.getfixturevalue('prefix')}/ws"


def cached(run: str) -> bool:
    (record,) = records.load(run)
    assert (record.name, record.status) == ("sample", "done")
    return record.cached


def test_it_is_drawn_once_and_what_lies_there_is_what_the_truth_says(workspace: str, tmp_path: Path) -> None:
    runs = [str(tmp_path / "one"), str(tmp_path / "two")]
    uri = deliver(SMALL, workspace, runs[0])
    assert uri == shared_folder(SMALL, workspace) == records.load(runs[0])[0].uri
    store = store_for(uri)
    truth = Truth.model_validate_json(store.read(join(uri, TRUTH)) or b"")
    pictures = [name for name in store.list(join(uri, "pictures")) if name.endswith((".png", ".jpg", ".webp"))]
    assert len(pictures) == truth.clean + sum(truth.planted.values())
    assert store.list(uri) == ["pictures", "prompts.jsonl", TRUTH]
    shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
    assert deliver(SMALL, workspace, runs[1]) == uri
    assert (cached(runs[0]), cached(runs[1])) == (False, True)
    assert not (tmp_path / "scratch" / "samples").exists()  # nothing was drawn for it


def test_one_that_was_copied_in_part_is_completed(workspace: str, tmp_path: Path) -> None:
    uri = deliver(SMALL, workspace, str(tmp_path / "one"))
    store = store_for(uri)
    before = store.list(join(uri, "pictures"))
    store.remove(join(uri, TRUTH))
    store.remove(join(uri, "pictures", before[0]))
    deliver(SMALL, workspace, str(tmp_path / "two"))
    assert store.list(join(uri, "pictures")) == before
    assert not cached(str(tmp_path / "two"))


@pytest.mark.parametrize("truth", [b"{", b"{}", json.dumps({"version": 1}).encode()])
def test_a_truth_that_is_none_does_not_count(tmp_path: Path, scratch: Path, truth: bytes) -> None:
    uri = shared_folder(SMALL, str(tmp_path))
    store_for(uri).write(join(uri, TRUTH), truth)
    deliver(SMALL, str(tmp_path), str(tmp_path / "run"))
    assert Truth.model_validate_json(store_for(uri).read(join(uri, TRUTH)) or b"").clean == 24


def test_another_sample_lies_beside_it(tmp_path: Path) -> None:
    others = [SMALL.model_copy(update=change) for change in ({"seed": 1}, {"pictures": 30}, {"web": True})]
    assert len({shared_folder(settings, "gs://b/ws") for settings in [SMALL, *others]}) == 4
