from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.cluster.workload import Training, training_task, write_spec
from platen.core.manifest import Manifest
from platen.core.settings import Settings
from platen.core.stage import Outcome, Stage, run_stage


def training(shared: Path) -> Training:
    return Training(str(shared / "job.json"), str(shared), str(shared.parent))


def test_only_committed_checkpoints_count(tmp_path: Path) -> None:
    assert training(tmp_path).newest_step() == 0
    for step in (8, 16, 24):
        (tmp_path / "checkpoints" / f"{step:08d}" / "rank-0").mkdir(parents=True)
    for step in (8, 16):
        (tmp_path / "checkpoints" / f"{step:08d}" / "checkpoint.json").write_text("{}")
    assert training(tmp_path).newest_step() == 16


def test_training_is_finished_when_its_result_is_there(tmp_path: Path) -> None:
    assert not training(tmp_path).is_finished()
    (tmp_path / "result.json").write_text("{}")
    assert training(tmp_path).is_finished()


def test_one_place_one_name() -> None:
    first, again, other = (
        training_task(f"gs://b/ws/train/.{name}", uri) for name, uri in (("a", "x"), ("a", "y"), ("b", "x"))
    )
    assert first.name == again.name != other.name
    assert len(first.name) <= 63 - len("-master-0")


@pytest.mark.parametrize("spec", [{"kind": "PyTorchJob"}, None], ids=["job", "no_job"])
def test_the_spec_is_left_as_kubectl_takes_it(tmp_path: Path, spec: dict[str, Any] | None) -> None:
    def work(settings: Settings, inputs: object, place: Any) -> Outcome:
        if spec is not None:
            place.observe(job=spec)
        return Outcome()

    folder = run_stage(Stage("train", 1, "model", Settings, {}, work), Settings(), {}, str(tmp_path)).folder
    assert isinstance(folder.manifest, Manifest)
    write_spec(folder, str(tmp_path / "outputs" / "job"))
    assert json.loads((tmp_path / "outputs" / "job").read_bytes()) == (spec or {})
