from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler
from safetensors.torch import load_file, save_file

from platen.components.train.models.denoiser import Pretrained
from platen.components.train.models.export import write_scheduler
from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.stable_diffusion import FAMILY
from platen.tasks.diffusion.prediction_type import SCHEDULER
from tests.components.train.small_run import commit, run, settings


def write_older_names(tiny_model: Folder, out: Path) -> None:
    """The model, the weights of its text encoder under the names of older files, as `platen base` writes them too."""
    beside = shutil.ignore_patterns("manifest.json", "run.json")
    shutil.copytree(tiny_model.path, out, dirs_exist_ok=True, ignore=beside)
    weights = out / "text_encoder" / "model.safetensors"
    (out / "LICENSE.md").write_text("Open RAIL-M")
    save_file({f"text_model.{name}": tensor for name, tensor in _load(weights).items()}, weights, {"format": "pt"})


@pytest.mark.parametrize("older", [False, True], ids=["today's names", "older names"])
def test_a_text_encoder_that_is_trained_is_exported(
    token_ids: Folder, tiny_model: Folder, tmp_path: Path, *, older: bool
) -> None:
    write = functools.partial(write_older_names, tiny_model)
    base = commit(write, tmp_path / "older", "base", "model") if older else tiny_model
    told = run(tmp_path / "run", token_ids, base, settings(steps=6, precision="bf16" if older else "fp32"))
    start, end = (DiffusionPipeline.from_pretrained(path) for path in (base.path, tmp_path / "run" / "export"))
    before, after = start.text_encoder.state_dict(), end.text_encoder.state_dict()
    assert before.keys() == after.keys()
    moved = {name: float((before[name] - after[name]).abs().max()) for name in before}
    assert sum(step > 0 for step in moved.values()) > 0.9 * len(before)
    assert max(moved.values()) < 0.01, "it did not begin with the base's weights"
    assert told["export_error"] < (5e-2 if older else 1e-4)
    assert (tmp_path / "run" / "export" / "LICENSE.md").is_file() == older


def test_a_base_that_lacks_a_weight_is_refused(tiny_model: Folder, tmp_path: Path) -> None:
    shutil.copytree(tiny_model.path, tmp_path / "base")
    weights = tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor for name, tensor in _load(weights).items() if name != "conv_in.bias"}, weights)
    with pytest.raises(InputError, match=r"base/unet: lacks 1 weights of its config.json, as conv_in.bias"):
        Pretrained(FAMILY, tmp_path / "base", with_text_encoder=False).weights()


def test_a_flow_forced_on_another_base_is_exported_with_a_scheduler_that_samples_it(
    embeddings: Folder, tiny_model: Folder, tmp_path: Path
) -> None:
    flow = {"kind": "flow", "min_snr_gamma": None, "shift": 3.0, "logit_normal": {}, "offset_noise": 0.05}
    told = run(tmp_path, embeddings, tiny_model, settings(steps=6, ranks=1, objective=flow))
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "export")
    assert len(set(told["losses"])) == 6
    assert isinstance(pipeline.scheduler, DPMSolverMultistepScheduler)
    assert (pipeline.scheduler.config.use_flow_sigmas, pipeline.scheduler.config.flow_shift) == (True, 3.0)
    pictures = pipeline("a red circle", num_inference_steps=4, output_type="np").images
    assert np.isfinite(pictures).all()


def test_the_bases_own_scheduler_is_left_as_it_is(tiny_model: Folder, tmp_path: Path) -> None:
    config = json.loads((tiny_model.path / SCHEDULER).read_bytes())
    write_scheduler(config, tiny_model.path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_average_that_starts_late_follows_the_weights_until_then(
    encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    """In the last step alone 0.5 of the past is kept; so the export lies halfway between the last two weights."""
    exports = []
    for number, (steps, ema) in enumerate([(3, {"decay": 0.0}), (4, {"decay": 0.0}), (4, {"start_step": 3})]):
        average = {"decay": 0.5, "warmup": False, **ema}
        constant = {"schedule": "constant"}
        chosen = settings(steps=steps, ranks=1, ema=average, optimizer=constant, deterministic=True)
        run(tmp_path / str(number), encoded, base, chosen)
        unet = tmp_path / str(number) / "export" / "unet" / "diffusion_pytorch_model.safetensors"
        exports.append(_load(unet))
    before, after, average = exports
    halfway = {name: (before[name] + after[name]) / 2 for name in before}
    assert all(torch.allclose(average[name], halfway[name], atol=1e-6) for name in halfway)


def _load(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(path))
