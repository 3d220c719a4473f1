from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, DPMSolverMultistepScheduler

from platen.components.train.models.export import write_scheduler
from platen.components.train.objectives.kinds import SCHEDULER
from platen.stage import Folder
from tests.components.train.small_run import run, settings

pytestmark = pytest.mark.xdist_group("train")  # one rank a core


def test_a_text_encoder_that_is_trained_is_exported(token_ids: Folder, tiny_model: Folder, tmp_path: Path) -> None:
    told = run(tmp_path, token_ids, tiny_model, settings(steps=6))
    start, end = (DiffusionPipeline.from_pretrained(path) for path in (tiny_model.path, tmp_path / "export"))
    before, after = start.text_encoder.state_dict(), end.text_encoder.state_dict()
    assert before.keys() == after.keys()
    moved = [name for name in before if not before[name].equal(after[name])]
    assert len(moved) > 0.9 * len(before)
    assert told["export_error"] < 1e-4


def test_a_flow_forced_on_another_base_is_exported_with_a_scheduler_that_samples_it(
    embeddings: Folder, tiny_model: Folder, tmp_path: Path
) -> None:
    flow = {"kind": "flow", "min_snr_gamma": None, "shift": 3.0, "logit_normal": {}, "offset_noise": 0.05}
    told = run(tmp_path, embeddings, tiny_model, settings(steps=6, objective=flow))
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
        run(tmp_path / str(number), encoded, base, settings(steps=steps, ema=average, optimizer=constant))
        unet = tmp_path / str(number) / "export" / "unet" / "diffusion_pytorch_model.safetensors"
        exports.append(_load(unet))
    before, after, average = exports
    halfway = {name: (before[name] + after[name]) / 2 for name in before}
    assert all(torch.allclose(average[name], halfway[name], atol=1e-6) for name in halfway)


def _load(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(path))
