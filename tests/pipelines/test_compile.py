from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from kfp import components

from platen.core.errors import InputError
from platen.core.images import Images
from platen.pipelines.cluster_settings import STAGES
from platen.pipelines.compile import check_components, write_components
from tests.pipelines.compiled import artifact_types, check_compiled, write_compiled

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
