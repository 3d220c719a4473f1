"""Every family of transformers through the real stages: encoded, trained on two ranks at ZeRO-3, exported, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from platen.artifacts.encoded import EncodedDataset
from platen.artifacts.model import ModelRecord
from platen.components.encode.settings import EncodeSettings
from platen.components.encode.stage import STAGE as ENCODE
from platen.components.train.stage import STAGE
from platen.core.stage import Folder, run_stage
from platen.families.base import Family
from platen.families.registry import families, family_named
from tests.components.encode.shapes import commit_shapes
from tests.components.train.small_run import commit, settings

TRANSFORMERS = [family.name for family in families() if family.network == "transformer"]
IN_CI = ("flux", "pixart-sigma")  # packed and of fixed length, unpadded with a mask
LONG = pytest.mark.soak("two families are trained in CI")
SIZES = [(32, 32), (32, 64)]  # width and height in pixels


@pytest.fixture(
    scope="module", params=[name if name in IN_CI else pytest.param(name, marks=LONG) for name in TRANSFORMERS]
)
def family(request: pytest.FixtureRequest) -> Family:
    return family_named(request.param)


@pytest.fixture(scope="module")
def inputs(family: Family, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Folder]:
    """The family's tiny model, and drawn shapes encoded with it."""
    workspace = tmp_path_factory.mktemp("inputs")
    base = commit(lambda out: family.tiny(out, 0), workspace, "base", "model")
    dataset = commit_shapes(str(workspace), sizes=SIZES)
    chosen = EncodeSettings(dtype="float16", device="cpu")
    encoded = run_stage(ENCODE, chosen, {"dataset": dataset.uri, "base": base.uri}, str(workspace)).folder
    return {"encoded": encoded, "base": base}


def train(inputs: dict[str, Folder], workspace: Path, **changes: Any) -> Folder:
    """Train for three steps with the objective of the base's scheduler."""
    chosen = settings(steps=3, global_batch=4, objective={"drop_caption": 0.5}, **changes)
    return run_stage(STAGE, chosen, {name: folder.uri for name, folder in inputs.items()}, str(workspace)).folder


def test_what_is_stored_is_what_the_family_says(family: Family, inputs: dict[str, Folder]) -> None:
    record = EncodedDataset(inputs["encoded"].path).record
    assert record.family == family.name
    assert record.variable_length == family.variable_length & set(record.conditions)


def test_a_trained_model_is_loaded_by_diffusers(family: Family, inputs: dict[str, Folder], tmp_path: Path) -> None:
    model = train(inputs, tmp_path)
    assert model.manifest.facts["export_error"] < 1e-4
    assert model.manifest.facts["family"] == family.name
    assert ModelRecord.read(model.path) == ModelRecord(family=family.name, resolution=(32, 32))
    start, end = (pipeline_of(folder.path) for folder in (inputs["base"], model))
    before, after = (getattr(pipeline, family.network).state_dict() for pipeline in (start, end))
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(moved) > 0.8 * len(before)
    images = end(
        prompt="a red circle",
        height=32,
        width=64,
        num_inference_steps=2,
        output_type="pt",
        **family.generation_arguments(1),
    ).images
    assert images.shape == (1, 3, 32, 64)
    assert images.isfinite().all()


def test_trained_adapters_are_loaded_by_diffusers(family: Family, inputs: dict[str, Folder], tmp_path: Path) -> None:
    if not family.takes_adapters:
        pytest.skip("diffusers loads no adapters into its network; the refusal is tested below")
    model = train(inputs, tmp_path, lora={"rank": 2}, precision="bf16")
    assert model.manifest.facts["export_error"] < 5e-2
    base, merged = (pipeline_of(folder.path) for folder in (inputs["base"], model))
    base.load_lora_weights(model.path / "lora")
    base.fuse_lora()
    base.unload_lora_weights()
    adapted, trained = (getattr(pipeline, family.network).state_dict() for pipeline in (base, merged))
    assert adapted.keys() == trained.keys()
    assert all(torch.allclose(adapted[name], trained[name], atol=1e-5) for name in adapted)


def pipeline_of(folder: Path) -> Any:
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
