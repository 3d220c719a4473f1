from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from platen.components.serve.engine import BrokenError, GivenUpError, Job
from platen.components.serve.sampler import DiffusionSampler, load
from platen.core.errors import InputError
from platen.core.stage import Folder
from tests.flagging_model import write_flagging_model


@pytest.fixture(scope="module")
def sampler(tiny_model: Folder) -> DiffusionSampler:
    return load(tiny_model.path, tiny_model.digest, "cpu", "float32")


def job(prompt: str = "a red circle", seed: int = 1, steps: int = 3, guidance_scale: float = 2.0) -> Job:
    return Job(prompt, seed, 64, 64, steps, guidance_scale)


def draw(sampler: DiffusionSampler, one: Job) -> bytes:
    return sampler.draw([one], lambda: None)[0]


def test_a_picture_says_what_made_it(sampler: DiffusionSampler, tiny_model: Folder) -> None:
    image = Image.open(io.BytesIO(draw(sampler, job("ein blauer Kreis, 蓝", seed=9))))
    assert image.size == sampler.pipeline.size == (64, 64)
    expected = {"prompt": "ein blauer Kreis, 蓝", "seed": "9", "steps": "3", "guidance_scale": "2"}
    assert image.info == {**expected, "model": tiny_model.digest}


def test_the_same_job_gives_the_same_bytes_whatever_came_between(sampler: DiffusionSampler) -> None:
    first = draw(sampler, job())
    draw(sampler, job("a blue square", seed=5, steps=7, guidance_scale=0))
    assert draw(sampler, job()) == first


@pytest.mark.parametrize("other", [job(seed=2), job("a blue square"), job(steps=4), job(guidance_scale=5.0)])
def test_everything_of_a_job_counts(sampler: DiffusionSampler, other: Job) -> None:
    first, second = (np.asarray(Image.open(io.BytesIO(draw(sampler, one)))) for one in (job(), other))
    assert (first != second).any()


def test_the_callback_sees_each_step_and_can_end_it(sampler: DiffusionSampler) -> None:
    steps = []

    def on_step() -> None:
        steps.append(1)
        if len(steps) == 2:
            raise GivenUpError("enough")

    with pytest.raises(GivenUpError):
        sampler.draw([job(steps=50)], on_step)
    assert len(steps) == 2


def test_tokens_are_counted_with_their_marks(sampler: DiffusionSampler) -> None:
    assert sampler.pipeline.count_tokens("a red circle") == 5
    assert sampler.pipeline.count_tokens("circle " * 100) == 102 > sampler.pipeline.max_tokens


def test_a_part_that_is_missing_is_told(tiny_model: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model.path, folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model: not a model that diffusers loads: .*unet"):
        load(folder, tiny_model.digest, "cpu", "float32")


def test_a_folder_that_is_no_pipeline_is_told(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "NoSuchPipeline"}))
    with pytest.raises(InputError, match=r"NoSuchPipeline.* is of no family"):
        load(tmp_path, "0" * 64, "cpu", "float32")


def test_a_safety_checker_blackens_no_picture(tiny_model: Folder, tmp_path: Path) -> None:
    write_flagging_model(tmp_path, tiny_model.path)
    sampler = load(tmp_path, "0" * 64, "cpu", "float32")
    assert np.asarray(Image.open(io.BytesIO(draw(sampler, job())))).any()


@pytest.mark.parametrize(
    ("error", "fatal"),
    [
        (torch.AcceleratorError("an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: unspecified launch failure"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (torch.AcceleratorError("CUDA error: out of memory"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_lost_device_is_told_from_other_faults(tiny_model: Folder, error: RuntimeError, fatal: bool) -> None:
    sampler = load(tiny_model.path, tiny_model.digest, "cpu", "float32")

    def on_step() -> None:
        raise error

    with pytest.raises(BrokenError if fatal else type(error), match=str(error)):
        sampler.draw([job()], on_step)
