from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from kfp import components

from platen import __version__
from platen.core.errors import InputError
from platen.core.images import Images
from platen.pipelines.cluster_settings import STAGES
from platen.pipelines.compile import check_components, write_components
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import artifact_types, check_compiled, executors, pods, write_compiled

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
    assert tasks["ingest"]["dependentTasks"] == ["preflight"]
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


def test_retraining_depends_on_the_verdict(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "retrain.yaml").read_text()))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    conditions = [task["triggerPolicy"]["condition"] for task in tasks.values() if "triggerPolicy" in task]
    assert len(conditions) == 1
    assert conditions[0].endswith("== 'retrain'")


RENDERED = {  # what the user interface shows, by task and output
    ("ingest", "drop_report"): "system.Markdown",
    ("clean-text", "drop_report"): "system.Markdown",
    ("clean-images", "drop_report"): "system.Markdown",
    ("merge", "data_card"): "system.Markdown",
    ("train", "metrics"): "system.Metrics",
    ("evaluate", "metrics"): "system.Metrics",
    ("notify", "report"): "system.HTML",
}


@pytest.mark.parametrize("pipeline", ["content", "retrain"])
def test_what_people_want_to_see_is_of_a_type_that_the_user_interface_renders(compiled: Path, pipeline: str) -> None:
    types = artifact_types(compiled / f"{pipeline}.yaml")
    shown = ("system.HTML", "system.Markdown", "system.Metrics")
    assert {output: kind for output, kind in types.items() if kind in shown} == RENDERED
    assert {types["train", "model"], types["merge", "merged"]} == {"system.Model", "system.Dataset"}


def test_the_report_is_an_output_of_the_exit_handler(compiled: Path) -> None:
    for pipeline in ("content", "retrain"):
        spec = next(yaml.safe_load_all((compiled / f"{pipeline}.yaml").read_text()))
        task = spec["root"]["dag"]["tasks"]["notify"]
        assert task["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
        assert task["componentRef"]["name"] == "comp-notify"


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every component by itself, for a registry."""
    folder = tmp_path_factory.mktemp("components")
    write_components(folder, Images("registry.example.com/platen", "1.2"))
    return folder


@pytest.mark.parametrize("stage", sorted(set(STAGES) - {"preflight"}))
def test_a_component_can_be_loaded_by_itself(single: Path, stage: str) -> None:
    """As others do, who want one stage in a pipeline of their own."""
    loaded = components.load_component_from_file(str(single / stage / "component.yaml"))
    short = stage.replace("_", "-")
    container = loaded.pipeline_spec.deployment_spec["executors"][f"exec-{short}"]["container"]
    assert container["image"] == f"registry.example.com/platen/{short}:1.2"
    assert {"settings", "workspace", "run"} <= set(loaded.component_spec.inputs or {})


def test_a_stale_component_is_named(single: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(single, tmp_path / "components")
    check_components(folder, Images("registry.example.com/platen", "1.2"))
    (folder / "gate" / "component.yaml").write_text("old")
    with pytest.raises(InputError, match=r"gate/component.yaml: not what the components compile to"):
        check_components(folder, Images("registry.example.com/platen", "1.2"))
