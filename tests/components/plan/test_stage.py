"""The command as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.components.plan.memory import Layout
from platen.components.plan.report import zero_section
from platen.components.plan.settings import PlanSettings
from platen.components.plan.stage import STAGE
from platen.components.train.parallel.settings import ZeroSettings
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import Settings
from platen.core.stage import Inputs, Outcome, Place, Stage, run_stage
from tests.components.plan.conftest import SMALL


def platen(folder: Path, plan: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    settings = {**SMALL, "workspace": "ws", "run": "run", "plan": {**SMALL["plan"], **plan}}
    (folder / "my.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "platen.cli", "plan", "-s", "my.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_plan_is_a_table_a_file_and_settings_that_train_takes(tmp_path: Path, config: Path) -> None:
    made = platen(tmp_path, {"nodes": 2, "global_batch": 64, "gpu": "H100-80GB", "samples": 1000})
    assert made.returncode == 0, made.stderr
    folder = tmp_path / made.stdout.splitlines()[-1]
    assert "chosen" in made.stdout and "H100" not in made.stderr
    plan = json.loads((folder / "plan.json").read_bytes())
    assert json.loads((folder / "manifest.json").read_bytes())["kind"] == "report"
    assert plan["chosen"]["ranks"] == 16
    assert set(plan["error_band"]) == {"memory", "time", "cost"}
    settings = yaml.safe_load((folder / "train.yaml").read_text())["train"]
    assert settings == plan["train"]
    train = TrainSettings.model_validate(settings)
    assert (train.ranks, train.job.nodes if train.job else 0, train.steps) == (16, 2, 10_000)
    assert train.zero.stage == plan["chosen"]["stage"]
    planned = train.planned_for
    assert planned and (planned.gpu, planned.memory_gib, planned.gpus_per_node) == ("H100-80GB", 80, 8)


def test_every_way_of_zero_is_settings_of_train() -> None:
    layouts = [
        (Layout(1, 16, 1), {"stage": 1}),
        (Layout(2, 16, 1, offload="optimizer"), {"stage": 2, "offload_optimizer": "cpu"}),
        (Layout(3, 16, 1, offload="all"), {"stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"}),
        (Layout(3, 16, 1, secondary=8), {"stage": 3, "secondary_partition": 8, "quantized_gradients": True}),
    ]
    for layout, wanted in layouts:
        assert ZeroSettings.model_validate(zero_section(layout)) == ZeroSettings.model_validate(wanted)


def test_nothing_is_planned_where_no_plan_is_asked_for(tmp_path: Path) -> None:
    settings = PlanSettings(gpu="B9000")  # not in the price table
    folder = run_stage(STAGE, settings, {}, str(tmp_path)).folder
    assert folder.manifest.files == []
    assert not (tmp_path / "profile").exists()


def test_a_trained_text_encoder_is_not_planned_for(tmp_path: Path, config: Path) -> None:
    def encode(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        return Outcome(facts={"text": "tokens", "resolution": 64, "splits": {"train": 1000}})

    encoded = run_stage(Stage("encode", 1, "encoded", Settings, {}, encode), Settings(), {}, str(tmp_path)).folder
    settings = PlanSettings(use=True, model=config, resolution=64)
    with pytest.raises(
        SettingsError, match=r"encode\.text: tokens, .* not planned for\. Accepted: embeddings; or plan"
    ):
        run_stage(STAGE, settings, {"encoded": encoded.uri}, str(tmp_path))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"model": None}, "plan.model: not set. Accepted: a network's config.json"),
        ({"resolution": None}, "plan.resolution: not set. Accepted: pixels"),
        ({"resolution": 60}, "plan.resolution: 60. Accepted: a multiple of the 8 pixels"),
        ({"gpus": 48, "global_batch": 64}, "64 is not divisible by gpus 48. Accepted: a multiple of it, or gpus"),
        ({"gpus": 16, "samples": 10}, "gpus 16 is more than samples 10"),
        ({"gpu": "B9000"}, "plan.gpu 'B9000': not in the price table. Accepted: A100-40GB"),
        ({"prices": "mine.yaml"}, "mine.yaml: no such settings file"),
        ({"offloads": ["all"], "stages": [2]}, "offloads: all needs ZeRO stage 3"),
        ({"stages": [4]}, "plan.stages"),
    ],
    ids=["model", "resolution", "odd", "batch", "samples", "gpu", "prices", "offload", "stage"],
)
def test_bad_input_is_refused_with_2_and_one_line(tmp_path: Path, config: Path, plan: dict, words: str) -> None:
    ended = platen(tmp_path, plan)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("ws/plan/[0-9a-f]*"))
