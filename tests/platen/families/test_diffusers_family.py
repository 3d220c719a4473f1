"""What families have in common, by their folders' configurations alone; test_every_family.py has what they promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from platen.core.errors import InputError, SettingsError
from platen.core.stage import Folder
from platen.families.diffusers_family import OPTIONAL, DiffusersFamily
from platen.families.layout import read_model_index
from platen.families.registry import families, family_named

SD = family_named("stable-diffusion")


@pytest.fixture
def model(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path, tmp_path / "model"))


def index(model: Path, **components: object) -> None:
    file = model / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **components}))


def test_what_pipelines_do_without_is_not_needed_and_whatever_else_is_named_is(model: Path) -> None:
    index(model, **{name: ["transformers", "X"] for name in OPTIONAL}, text_encoder_9=["transformers", "Y"], more=None)
    found = read_model_index(model)
    assert not set(SD.needed(found)) & {*OPTIONAL, "more"}
    assert "text_encoder_9" in SD.weighted(found)
    assert set(SD.needed(found)) - set(SD.weighted(found)) == {"tokenizer", "scheduler"}


@pytest.mark.parametrize(
    "family", [each for each in families() if isinstance(each, DiffusersFamily)], ids=lambda family: family.name
)
def test_a_size_that_the_network_cannot_read_is_refused(family: DiffusersFamily) -> None:
    config = {"patch_size": 2, "pos_embed_max_size": 96, "block_out_channels": [8, 8]}
    family.check_size(config, (4, 8))
    if family.network == "unet" or family.patch_size(config) == 2:
        with pytest.raises(InputError, match="latents of 4 x 7"):
            family.check_size(config, (4, 7))


def test_images_are_divisible_by_what_the_pipelines_ask_for(model: Path) -> None:
    assert SD.size_multiple(model) % 8 == 0
    assert SD.size_multiple(model) % SD.latent_scale(model) == 0


def test_the_resolution_of_a_training_is_the_one_that_pipelines_generate_at(model: Path) -> None:
    denoiser = SD.build(model)
    SD.set_resolution(denoiser, model, (128, 64))
    assert denoiser.network.config["sample_size"] == (8, 16)
    SD.set_resolution(denoiser, model, (64, 64))
    assert denoiser.network.config["sample_size"] == 8


def test_a_text_encoder_that_is_not_trained_is_refused_by_its_setting(model: Path) -> None:
    with pytest.raises(SettingsError, match=r"encode\.text: 'tokens', but of flux .* Accepted: embeddings"):
        family_named("flux").encoders(model, "cpu", tokens=True)


def test_a_component_that_is_needed_and_named_by_nothing_is_refused(model: Path) -> None:
    index(model, text_encoder=None)
    with pytest.raises(InputError, match=r"model_index\.json: text_encoder is missing"):
        SD.check(model)


def test_a_network_that_cannot_be_built_is_the_file_s_fault(model: Path) -> None:
    file = model / "unet" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "norm_num_groups": 7}))
    with pytest.raises(InputError, match=r"unet/config\.json: no UNet2DConditionModel can be built by it"):
        SD.check_network(model, [])
