"""A base model is read whole or refused by what it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from platen.components.train.models.denoiser import Pretrained, rank_device
from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.registry import family_of

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(base: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base.path, tmp_path / "model"))


def pretrained(folder: Path, *, with_text_encoder: bool = False) -> Pretrained:
    return Pretrained(family_of(folder), folder, with_text_encoder)


def test_its_weights_are_those_of_the_file_in_fp32(model: Path) -> None:
    stored = load_file(model / WEIGHTS)
    save_file({name: tensor.half() for name, tensor in stored.items()}, model / WEIGHTS, metadata={"format": "pt"})
    found = pretrained(model).weights()
    assert {name.removeprefix("unet.") for name in found} == stored.keys()
    assert all(torch.equal(tensor, stored[name.removeprefix("unet.")].half().float()) for name, tensor in found.items())


def test_the_largest_parameter_is_known_by_headers(model: Path) -> None:
    wanted = max(tensor.numel() for tensor in load_file(model / WEIGHTS).values())
    assert pretrained(model).largest_parameter() == wanted


@pytest.mark.parametrize("missing", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_the_first_file_that_training_lacks_is_named(model: Path, missing: str) -> None:
    pretrained(model).check()
    (model / missing).unlink()
    with pytest.raises(InputError, match=rf"{missing}: missing"):
        pretrained(model).check()


def test_a_text_encoder_is_looked_for_only_where_it_is_trained(model: Path) -> None:
    assert pretrained(model).parts == ("unet",)
    with pytest.raises(InputError, match=r"text_encoder/config\.json: missing"):
        pretrained(model, with_text_encoder=True).check()


def test_a_weight_that_would_be_drawn_at_random_is_refused(model: Path) -> None:
    stored = load_file(model / WEIGHTS)
    del stored["conv_in.bias"]
    save_file(stored, model / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights .* conv_in\.bias"):
        pretrained(model).weights()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_rank_is_on_the_cpu() -> None:
    assert rank_device() == torch.device("cpu")
