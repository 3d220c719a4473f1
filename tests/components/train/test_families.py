"""Every family through the real stages: encoded, trained on two ranks at ZeRO-3 and on one, exported, loaded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from platen.artifacts.encoded import EncodedDataset
from platen.artifacts.model import ModelRecord
from platen.components.encode.settings import EncodeSettings
from platen.components.encode.stage import STAGE as ENCODE
from platen.components.train.job import JOB, committed_steps
from platen.components.train.stage import STAGE
from platen.core.stage import Folder, run_stage
from platen.families.base import Family
from platen.families.registry import families, family_named
from tests.components.encode.shapes import commit_shapes
from tests.components.train.forked_ranks import Ranks, kill, start_ranks, wait_for_end
from tests.components.train.small_run import commit, job, result, settings

NAMES = [family.name for family in families()]
IN_CI = ("flux", "pixart-sigma")  # packed and of fixed length, unpadded with a mask
LONG = pytest.mark.soak("two families are trained in CI")
CURVES = pytest.mark.soak("test_resume compares curves of Stable Diffusion")
SIZES = [(32, 32), (32, 64)]  # width and height in pixels
CHOSEN: dict[str, Any] = {"steps": 20, "global_batch": 4, "objective": {"drop_caption": 0.5}}


@pytest.fixture(scope="module", params=[name if name in IN_CI else pytest.param(name, marks=LONG) for name in NAMES])
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
    """Train with the objective of the base's scheduler, for three steps unless more are asked for."""
    chosen = settings(**{**CHOSEN, "steps": 3, **changes})
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


@pytest.fixture(scope="module")
def two_ranks(inputs: dict[str, Folder], tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of 20 steps on two ranks at ZeRO-3, undisturbed."""
    return curve(*begin(inputs, tmp_path_factory.mktemp("two-ranks"), 2))


@CURVES
def test_one_rank_loses_what_two_lose(
    family: Family, two_ranks: list[float], inputs: dict[str, Folder], tmp_path: Path
) -> None:
    one_rank = curve(*begin(inputs, tmp_path, 1))
    print(f"{family.name}: 1 rank and 2 are {apart(one_rank, two_ranks):.1e} apart")  # noqa: T201
    assert one_rank == pytest.approx(two_ranks, rel=1e-3)


@CURVES
def test_killed_on_two_ranks_and_resumed_on_one(
    family: Family, two_ranks: list[float], inputs: dict[str, Folder], tmp_path: Path
) -> None:
    _, ranks = begin(inputs, tmp_path, 2)
    while not any(step >= 8 for step in committed_steps(str(tmp_path))):
        assert all(rank.is_alive() for rank in ranks)
        time.sleep(0.01)
    kill(ranks)
    assert not (tmp_path / "result.json").exists()
    resumed = curve(*begin(inputs, tmp_path, 1))
    began = result(tmp_path)["began"]
    print(f"{family.name}: resumed after {began[1]}, {apart(resumed, two_ranks):.1e} apart")  # noqa: T201
    assert began[1] >= 8
    assert resumed == pytest.approx(two_ranks, rel=1e-4)


def begin(inputs: dict[str, Folder], shared: Path, ranks: int) -> tuple[Path, Ranks]:
    """Start the job that train would start, at ZeRO-3 in fp32."""
    chosen = settings(**CHOSEN, ranks=ranks, checkpoints={"every": 4})
    uri = job(shared, inputs["encoded"], inputs["base"], chosen)
    return shared, start_ranks(uri)


def curve(shared: Path, ranks: Ranks) -> list[float]:
    """The losses of a job, once it has ended."""
    wait_for_end(str(shared / JOB), ranks)
    return list(result(shared)["losses"])


def apart(curve: list[float], other: list[float]) -> float:
    """The largest relative difference of two curves."""
    return max(abs(one / two - 1) for one, two in zip(curve, other, strict=True))


def pipeline_of(folder: Path) -> Any:
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
