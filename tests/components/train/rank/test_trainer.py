"""Real runs of the training entry point: two processes, gloo, ZeRO-3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.components.train.stage import STAGE
from platen.core.errors import InputError
from platen.core.stage import Folder, run_stage
from tests.components.train.small_run import (
    commit,
    losses,
    run,
    settings,
    weights,
    write_base,
    write_encoded,
)
from tests.components.train.stage_process import kill, start, stop, wait_for


def test_each_rank_holds_half_of_the_parameters(two_ranks: Folder) -> None:
    zero = json.loads((two_ranks.path / "run.json").read_bytes())["zero"]
    assert zero["stage"] == 3
    assert sum(zero["parameters_per_rank"]) == zero["parameters"]
    for held in zero["parameters_per_rank"]:
        assert held == pytest.approx(zero["parameters"] / 2, rel=0.02)


def test_two_ranks_lose_what_one_rank_loses(two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path) -> None:
    alone = run(tmp_path, encoded, base, settings(ranks=1))
    both = losses(two_ranks)
    assert len(both) == 20
    assert alone["losses"] == pytest.approx(both, rel=1e-3)


def test_training_learns(two_ranks: Folder) -> None:
    assert len(set(losses(two_ranks))) == 20


def test_the_export_is_the_average_and_not_the_start(two_ranks: Folder, base: Folder) -> None:
    from safetensors.torch import load_file

    start = load_file(base.path / "unet" / "diffusion_pytorch_model.safetensors")
    end = load_file(two_ranks.path / "unet" / "diffusion_pytorch_model.safetensors")
    assert start.keys() == end.keys()
    assert all(start[name].shape == end[name].shape for name in start)
    moved = sum(not start[name].equal(end[name]) for name in start)
    assert moved > 0.95 * len(start)
    assert two_ranks.manifest.facts["export_error"] < 1e-5


@pytest.mark.soak("test_export has the formula in numbers")
def test_the_average_is_what_its_formula_says(two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path) -> None:
    """With decay 0 the average is the live model; with 0.9 it lags behind."""
    told = run(tmp_path, encoded, base, settings(ema={"decay": 0.0}))
    assert weights(tmp_path / "export") != weights(two_ranks.path)
    assert told["losses"] == losses(two_ranks)


def test_killed_and_stopped_and_resumed_gives_the_same_manifest(
    two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    inputs = {"encoded": encoded.uri, "base": base.uri}
    killed = start(inputs, str(tmp_path))
    wait_for(killed, "step 5 of")  # before the first checkpoint
    kill(killed)
    stopped = start(inputs, str(tmp_path))
    wait_for(stopped, "step 9 of")
    assert stop(stopped) == 143
    assert not list((tmp_path / "train").glob("[!.]*"))
    resumed = run_stage(STAGE, settings(), inputs, str(tmp_path)).folder
    assert resumed.digest == two_ranks.digest
    told = json.loads((resumed.path / "run.json").read_bytes())
    first, second = told["resumed_after"]
    assert first == 0
    assert 9 <= second < 20
    spent = told["measured"]["seconds"]
    assert told["measured"]["attempts"] == 3
    assert spent["lost"] > 0, "the steps of the killed attempt were trained again"
    assert spent["between"] > 0 and told["measured"]["goodput"] == pytest.approx(spent["useful"] / spent["wall"])


@pytest.mark.soak("tests/cluster/test_training.py kills and resumes in a bucket")
def test_killed_and_resumed_in_a_bucket(two_ranks: Folder, prefix: str) -> None:
    encoded = commit(write_encoded, prefix, "encode", "encoded")
    base = commit(write_base, prefix, "base", "model")
    inputs = {"encoded": encoded.uri, "base": base.uri}
    killed = start(inputs, prefix)
    wait_for(killed, "step 12 of")
    kill(killed)
    resumed = run_stage(STAGE, settings(), inputs, prefix).folder
    assert resumed.manifest.files == two_ranks.manifest.files
    assert json.loads(resumed.read("run.json") or b"")["resumed_after"] == [8]


def test_bf16_trains_and_exports(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    done = run(tmp_path, encoded, base, settings(ranks=1, precision="bf16", gradient_checkpointing=True, steps=6))
    assert len(done["losses"]) == 6
    assert 0 < done["export_error"] < 5e-2


def test_a_missing_weight_file_is_named(encoded: Folder, tmp_path: Path) -> None:
    def write(out: Path) -> None:
        (out / "unet").mkdir()
        (out / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')

    base = commit(write, tmp_path / "inputs", "base", "model")
    with pytest.raises(InputError, match=r"unet/config\.json: missing; the base model must be"):
        run(tmp_path / "shared", encoded, base, settings(ranks=1, steps=1))
