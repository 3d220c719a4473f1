"""Taking over a model of every family, with a CLIP to measure with that lies elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from platen.components.base.given import take_over
from platen.components.base.settings import BaseModelSettings
from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.diffusers_models import load_pipeline
from platen.families.layout import read_model_index, weight_files
from platen.families.registry import families, family_named, family_of


def take(model: Path, clip: Path | None, tmp_path: Path) -> Path:
    settings = BaseModelSettings(base_model=str(model), clip=None if clip is None else str(clip))
    take_over(settings, tmp_path / "scratch", tmp_path / "out")
    return tmp_path / "out"


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.glob("*/*")
        if path.suffix != ".safetensors"
    }


@pytest.mark.parametrize("name", [family.name for family in families()])
def test_a_model_is_copied_whole_and_loads(name: str, tiny_model: Folder, tmp_path: Path) -> None:
    given, family = tmp_path / "given", family_named(name)
    family.tiny(given, seed=0)
    out = take(given, tiny_model.path / "clip", tmp_path)
    assert family_of(out) is family
    assert {path.name for path in out.iterdir() if path.is_dir()} - {path.name for path in given.iterdir()} == {"clip"}
    assert files(given).items() <= files(out).items()
    for part in family.weighted(read_model_index(given)):
        (wanted,), (found,) = weight_files(given, part), weight_files(out, part)
        ours, theirs = load_file(found), load_file(wanted)
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[each], theirs[each]) for each in theirs)
    DiffusionPipeline.from_pretrained(out, local_files_only=True)


def test_shards_and_the_files_of_a_slow_tokenizer_are_taken(tiny_model: Folder, tmp_path: Path) -> None:
    given, small = tmp_path / "given", tmp_path / "small"
    family_named("flux").tiny(given, seed=0)
    DiffusionPipeline.from_pretrained(given, local_files_only=True).save_pretrained(small, max_shard_size="100KB")
    assert len(weight_files(small, "transformer")) > 1
    (small / "tokenizer_2" / "spiece.model").write_bytes(b"pieces")
    out = take(small, tiny_model.path / "clip", tmp_path)
    assert (out / "tokenizer_2" / "spiece.model").read_bytes() == b"pieces"
    (whole,), (wanted,) = weight_files(out, "transformer"), weight_files(given, "transformer")
    assert load_file(whole).keys() == load_file(wanted).keys()
    DiffusionPipeline.from_pretrained(out, local_files_only=True)


def test_stable_diffusion_3_comes_without_t5(tiny_model: Folder, tmp_path: Path) -> None:
    given = tmp_path / "given"
    family_named("stable-diffusion-3").tiny(given, seed=0)
    index = given / "model_index.json"
    without = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
    index.write_text(json.dumps({**json.loads(index.read_text()), **without}))
    for part in without:
        shutil.rmtree(given / part)
    out = take(given, tiny_model.path / "clip", tmp_path)
    assert load_pipeline(out, "cpu", "float32").text_encoder_3 is None


def test_optional_components_are_left_out(tiny_model: Folder, tmp_path: Path) -> None:
    given = tmp_path / "given"
    family_named("flux").tiny(given, seed=0)
    index = given / "model_index.json"
    more = {"image_encoder": ["transformers", "CLIPVisionModelWithProjection"]}
    index.write_text(json.dumps({**json.loads(index.read_text()), **more}))
    out = take(given, tiny_model.path / "clip", tmp_path)
    assert DiffusionPipeline.from_pretrained(out, local_files_only=True).image_encoder is None


def test_a_model_without_clip_says_which_setting_names_one(tmp_path: Path) -> None:
    family_named("z-image").tiny(tmp_path / "given", seed=0)
    with pytest.raises(InputError, match=r"the base model has no clip/ of its own, so base\.clip must name"):
        take(tmp_path / "given", None, tmp_path)
    assert not (tmp_path / "out").exists()
