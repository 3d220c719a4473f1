"""Tasks as a cluster gets them: image, environment, what others are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from platen import __version__
from platen.core.errors import InputError
from platen.core.images import Images
from platen.pipelines.cluster_settings import STAGES
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import executors, pods, write_compiled


def test_every_task_has_an_image_of_its_own_with_the_version(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "content.yaml").read_text()))
    images = {name: executor["container"]["image"] for name, executor in spec["deploymentSpec"]["executors"].items()}
    assert images["exec-clean-text"] == f"platen/clean-text:{__version__}"
    assert len(set(images.values())) == len(images)


def test_images_are_where_the_command_line_says(tmp_path: Path) -> None:
    write_compiled(tmp_path, Target(Images("registry.example.com/platen", "1.2")))
    for executor in executors(tmp_path / "retrain.yaml").values():
        image = executor["container"]["image"]
        assert re.fullmatch(r"registry\.example\.com/platen/[a-z-]+:1\.2", image)
        assert {"name": "PLATEN_IMAGE", "value": image} in executor["container"]["env"]


def test_digests_pin_images(tmp_path: Path) -> None:
    digests = {f"platen/{stage.replace('_', '-')}": f"sha256:{number:064x}" for number, stage in enumerate(STAGES)}
    write_compiled(tmp_path, Target(Images("registry.example.com/platen", digests=digests)))
    images = {name: found["container"]["image"] for name, found in executors(tmp_path / "demo.yaml").items()}
    assert images["exec-clean-text"] == f"registry.example.com/platen/clean-text@{digests['platen/clean-text']}"
    assert len(set(images.values())) == len(STAGES)


@pytest.mark.parametrize("pipeline", ["content", "retrain"])
def test_preflight_is_one_task_that_is_told_the_images_of_the_others(tmp_path: Path, pipeline: str) -> None:
    write_compiled(tmp_path, Target(Images("registry.example.com/platen", "1.2")))
    found = executors(tmp_path / f"{pipeline}.yaml")
    variables = {entry["name"]: entry["value"] for entry in found["exec-preflight"]["container"]["env"]}
    told = dict(pair.split("=", 1) for pair in variables["PLATEN_IMAGES"].split())
    others = {executor["container"]["image"] for name, executor in found.items() if name != "exec-preflight"}
    assert set(told.values()) == others
    assert told["clean_text"] == "registry.example.com/platen/clean-text:1.2"


def test_a_stage_without_a_digest_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no digest of platen/notify; there are digests of: platen/train"):
        write_compiled(tmp_path, Target(Images(digests={"platen/train": f"sha256:{0:064x}"})))
    assert list(tmp_path.iterdir()) == []


def test_a_task_is_told_how_to_log_and_which_run_it_is_of(compiled: Path) -> None:
    for name, executor in executors(compiled / "retrain.yaml").items():
        assert {"name": "PLATEN_LOG", "value": "json"} in executor["container"]["env"]
        field = {"name": "PLATEN_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        assert pods(compiled / "retrain.yaml")[name]["fieldPathAsEnv"] == [field]


def test_nothing_is_installed_at_run_time_and_caching_is_left_to_the_fingerprints(compiled: Path) -> None:
    text = (compiled / "content.yaml").read_text()
    assert "pip install" not in text
    spec = next(yaml.safe_load_all(text))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"].values()
    assert not any(task["cachingOptions"].get("enableCache") for task in tasks)
