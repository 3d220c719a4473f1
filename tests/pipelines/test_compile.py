from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from platen import __version__
from platen.errors import InputError
from platen.images import Images
from platen.pipelines.cluster_settings import STAGES
from platen.pipelines.compile import check_compiled, write_compiled
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import executors, pods

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    write_compiled(folder)
    return folder


def test_the_committed_graphs_are_what_the_components_compile_to() -> None:
    check_compiled(ROOT / "pipelines" / "compiled")


def test_a_stale_graph_is_named(tmp_path: Path) -> None:
    write_compiled(tmp_path)
    stale = tmp_path / "content.yaml"
    stale.write_text(stale.read_text().replace("ingest", "gather"))
    with pytest.raises(InputError, match=r"content\.yaml: not what the components compile to; run `platen compile`"):
        check_compiled(tmp_path)


def test_texts_and_images_are_cleaned_side_by_side(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "content.yaml").read_text()))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert tasks["clean-text"]["dependentTasks"] == tasks["clean-images"]["dependentTasks"] == ["ingest"]
    assert set(tasks["merge"]["dependentTasks"]) == {"clean-images", "clean-text", "ingest"}


def test_a_plan_is_made_before_train_and_handed_to_it(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "content.yaml").read_text()))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert set(tasks["plan"]["dependentTasks"]) == {"base", "encode"}
    taken = tasks["train"]["inputs"]["artifacts"]["plan"]["taskOutputArtifact"]
    assert taken == {"outputArtifactKey": "plan", "producerTask": "plan"}


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
    images = {name: found["container"]["image"] for name, found in executors(tmp_path / "content.yaml").items()}
    assert images["exec-clean-text"] == f"registry.example.com/platen/clean-text@{digests['platen/clean-text']}"
    assert len(set(images.values())) == len(STAGES)


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


def test_retraining_depends_on_the_verdict(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "retrain.yaml").read_text()))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    conditions = [task["triggerPolicy"]["condition"] for task in tasks.values() if "triggerPolicy" in task]
    assert len(conditions) == 1
    assert conditions[0].endswith("== 'retrain'")
