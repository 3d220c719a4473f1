"""The tiny base model: the real classes, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.base.settings import BaseModelSettings
from platen.components.base.stage import STAGE
from platen.components.base.tiny import WRITERS, read_pictures
from platen.core.settings import build
from platen.core.stage import Folder, run_stage
from platen.families.generation import GenerationPipeline
from platen.families.registry import family_of
from tests.components.encode.shapes import commit_shapes

SMALL = {"tiny": {"clip_steps": 3, "vae_steps": 3, "unet_channels": [16, 32]}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    workspace = str(tmp_path_factory.mktemp("ws"))
    dataset = commit_shapes(workspace)
    return run_stage(STAGE, build(BaseModelSettings, SMALL), {"dataset": dataset.uri}, workspace).folder


def test_it_is_a_diffusers_folder_with_a_clip_beside_it(base: Folder) -> None:
    from diffusers import DiffusionPipeline
    from transformers import CLIPModel, CLIPProcessor

    pipeline = DiffusionPipeline.from_pretrained(base.path, safety_checker=None)
    assert pipeline.vae.config["scaling_factor"] != 0.18215
    assert pipeline.unet.config["sample_size"] * 4 == 32
    assert CLIPModel.from_pretrained(base.path / "clip").config.projection_dim == 64
    assert CLIPProcessor.from_pretrained(base.path / "clip").tokenizer.model_max_length == 16


def test_made_again_it_is_the_same(base: Folder, tmp_path: Path) -> None:
    dataset = commit_shapes(str(tmp_path))
    again = run_stage(STAGE, build(BaseModelSettings, SMALL), {"dataset": dataset.uri}, str(tmp_path)).folder
    assert again.digest == base.digest


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"stable-diffusion"}))
def test_a_tiny_transformer_of_the_family_is_made(name: str, tmp_path: Path) -> None:
    dataset = commit_shapes(str(tmp_path))
    tiny = {**SMALL["tiny"], "family": name, "transformer_width": 64, "transformer_layers": 2}
    settings = build(BaseModelSettings, {"tiny": tiny})
    made = run_stage(STAGE, settings, {"dataset": dataset.uri}, str(tmp_path)).folder
    family = family_of(made.path)
    assert family.name == name
    family.check(made.path)
    family.check_weights(made.path)
    assert (made.path / "clip" / "config.json").is_file()
    (image,) = GenerationPipeline.load(made.path, "cpu", "float32").generate(["a red circle"], [1], 32, 32, 2, 2.0)
    assert image.size == (32, 32)


def test_a_given_model_is_taken_over(base: Folder, tmp_path: Path) -> None:
    dataset = commit_shapes(str(tmp_path))
    settings = build(BaseModelSettings, {"base_model": str(base.path)})
    taken = run_stage(STAGE, settings, {"dataset": dataset.uri}, str(tmp_path)).folder
    assert taken.manifest.facts["trained"] is False
    assert taken.manifest.files == base.manifest.files
    assert taken.manifest.outside["base_model"] is not None


def test_of_pictures_of_other_shapes_the_middle_is_taken(tmp_path: Path) -> None:
    pixels, captions = read_pictures(commit_shapes(str(tmp_path), sizes=[(40, 24), (32, 32)]).path, 4, 32)
    assert pixels.shape == (4, 3, 32, 32)
    assert len(captions) == 4
