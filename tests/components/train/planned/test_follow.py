from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.artifacts.plan import PlannedTraining
from platen.components.train.planned.follow import follow
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.stage import Folder
from tests.components.train.small_run import commit

NODE = {"gpu": "H100-80GB", "memory_gib": 80, "gpus_per_node": 8, "nodes": 1, "host_gib": 90}
PLANNED: dict[str, Any] = {
    "steps": 10_000,
    "global_batch": 64,
    "precision": "bf16",
    "micro_batch": 4,
    "ranks": 8,
    "gradient_checkpointing": True,
    "zero": {"stage": 2, "offload_optimizer": "cpu"},
    "planned_for": NODE,
}


def plan(workspace: Path, **changes: Any) -> Folder:
    text = yaml.safe_dump({"train": {**PLANNED, **changes}})

    def write(out: Path) -> None:
        (out / PlannedTraining.FILE).write_text(text)

    return commit(write, workspace, "plan", "report")


def test_train_takes_over_what_the_plan_decides(tmp_path: Path) -> None:
    followed = follow(TrainSettings(), {"plan": plan(tmp_path)})
    assert (followed.ranks, followed.micro_batch, followed.gradient_checkpointing) == (8, 4, True)
    assert (followed.zero.stage, followed.zero.offload_optimizer, followed.job) == (2, "cpu", None)


def test_the_models_identity_is_the_same_with_a_plan_and_without(tmp_path: Path) -> None:
    mine = TrainSettings(seed=3)
    followed = follow(mine, {"plan": plan(tmp_path)})
    assert followed.model_dump(mode="json") == mine.model_dump(mode="json")
    assert followed.ranks != mine.ranks


def test_a_job_gets_the_plans_nodes_and_keeps_the_rest(tmp_path: Path) -> None:
    two_nodes = plan(tmp_path, ranks=16, planned_for={**NODE, "nodes": 2})
    followed = follow(TrainSettings.model_validate({"job": {"memory": "64Gi"}}), {"plan": two_nodes})
    assert followed.job is not None
    assert (followed.job.nodes, followed.job.processes_per_node, followed.job.gpu) == (2, 8, "nvidia.com/gpu")
    assert followed.job.memory == "64Gi"
    assert follow(TrainSettings.model_validate({"job": {}}), {"plan": two_nodes}).job.memory == "90Gi"


def test_adapters_are_not_what_a_plan_is_for(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"train\.lora: set, and a plan is followed, .* lora null, or plan"):
        follow(TrainSettings.model_validate({"lora": {}}), {"plan": plan(tmp_path)})


def test_what_was_set_by_hand_stays_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = TrainSettings.model_validate({"micro_batch": 2, "ranks": 8, "zero": {"stage": 1}})
    followed = follow(mine, {"plan": plan(tmp_path)})
    assert (followed.micro_batch, followed.zero.stage, followed.zero.offload_optimizer) == (2, 1, "cpu")
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        "train: train.micro_batch 2 is set; the plan's 4 is not taken",
        "train: train.zero.stage 1 is set; the plan's 2 is not taken",
    ]


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        ({"global_batch": 32}, r"train\.global_batch: 32, but the plan .* is for 64"),
        ({"precision": "fp32"}, r"train\.precision: fp32, but the plan .* is for bf16"),
        ({"preset": "offload"}, r"train\.preset: offload, and a plan is followed"),
        ({"ranks": 2}, r"ranks 2, but planned_for is 1 x 8 H100-80GB"),
    ],
    ids=["batch", "precision", "preset", "ranks"],
)
def test_a_plan_for_another_training_is_refused(tmp_path: Path, mine: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        follow(TrainSettings.model_validate(mine), {"plan": plan(tmp_path)})


def test_an_empty_plan_changes_nothing(tmp_path: Path) -> None:
    empty = commit(lambda out: None, tmp_path, "plan", "report")
    mine = TrainSettings(ranks=4, global_batch=64)
    assert follow(mine, {"plan": empty}) is mine
    assert json.loads(empty.read("manifest.json") or b"")["files"] == []
