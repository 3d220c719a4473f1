"""What monitor reads of a workspace: the live model's release, and what it was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.artifacts import releases
from platen.components.monitor.live import live_inputs, release_of
from platen.core.errors import InputError
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from tests.committed import commit


def trained_on(dataset: Folder, workspace: str) -> Folder:
    """A model that was made of a data set."""

    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        (place.out / "weights").write_text("1")
        return Outcome()

    stage = Stage("train", 1, "model", Settings, {"dataset": "dataset"}, work)
    return run_stage(stage, Settings(), {"dataset": dataset.uri}, workspace).folder


def release(workspace: str, model: str) -> Folder:
    facts = {"model": model, "uri": "there", "report": "b" * 64}
    return commit(workspace, {"release.json": model}, facts, stage="deploy", kind="release")


def test_the_inputs_are_those_of_what_is_live(tmp_path: Path) -> None:
    workspace = str(tmp_path)
    first, second = (commit(workspace, {"a": name}, stage="merge", kind="dataset") for name in "ab")
    models = [trained_on(dataset, workspace) for dataset in (first, second)]
    released = [release(workspace, model.digest) for model in models]
    for model in models:
        releases.promote(workspace, model.uri, model.digest, "report")
    assert live_inputs(workspace) == {"release": released[1].uri, "dataset": second.uri}


def test_where_nothing_is_live_there_is_no_traffic(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no release is live here, so there is no traffic to evaluate"):
        live_inputs(str(tmp_path))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    workspace = str(tmp_path)
    dataset = commit(workspace, {"a": "a"}, stage="merge", kind="dataset")
    model = trained_on(dataset, workspace)
    releases.promote(workspace, model.uri, model.digest, "report")
    with pytest.raises(InputError, match="is live, but its release is not in"):
        live_inputs(workspace)
    alone = commit(workspace, {"weights": "2"}, stage="train", kind="model")
    release(workspace, alone.digest)
    releases.promote(workspace, alone.uri, alone.digest, "report")
    with pytest.raises(InputError, match="is live, but the data set it was trained on is not in"):
        live_inputs(workspace)


def test_a_release_that_is_not_committed_is_none(tmp_path: Path) -> None:
    workspace = str(tmp_path)
    made = release(workspace, "a" * 64)
    shutil.copytree(made.path, made.path.with_name(".unfinished"))
    (made.path.with_name(".unfinished") / "release.json").write_text("b")
    assert release_of(workspace, "a" * 64) == made.uri
    assert release_of(workspace, "c" * 64) is None
