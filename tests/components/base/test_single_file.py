"""Checkpoints in one file become diffusers folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from platen.components.base.given import describe
from platen.core.errors import InputError, SettingsError
from platen.core.stage import Folder
from tests.components.base.original_format import write_single_file
from tests.components.base.taking import UNET_WEIGHTS, cut, take


@pytest.fixture
def single(given: Path, tmp_path: Path) -> Path:
    """A single-file checkpoint; `given` keeps its configs, tokenizer and CLIP, and none of its own weights."""
    path = tmp_path / "one.safetensors"
    write_single_file(given, path)
    for weights in given.glob("[!c]*/*.safetensors"):
        weights.unlink()
    return path


def test_a_single_file_has_the_weights_it_was_made_of(
    single: Path, given: Path, tiny_model: Folder, tmp_path: Path
) -> None:
    out = take(single, tmp_path, config=str(given), clip=str(given / "clip"))
    for name in (UNET_WEIGHTS, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        wanted, found = load_file(tiny_model.path / name), load_file(out / name)
        assert wanted.keys() == found.keys() and all(torch.equal(found[each], wanted[each]) for each in wanted)
    assert describe(str(single), "main") != describe(str(given), "main")


def test_a_single_file_needs_the_configs_of_a_folder_that_fits(single: Path, given: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"base\.config: not set, and base\.base_model is one file"):
        take(single, tmp_path, clip=str(given / "clip"))
    with pytest.raises(InputError, match=r"one\.safetensors/clip: missing; .*base\.clip must name"):
        take(single, tmp_path, config=str(given))
    chosen = {"config": str(given), "clip": str(given / "clip")}
    weights = load_file(single)
    first = "model.diffusion_model.input_blocks.0.0.weight"
    save_file({**weights, first: torch.zeros(16, 9, 3, 3)}, single)
    with pytest.raises(InputError, match=r"one\.safetensors: does not fit the configs of .*given"):
        take(single, tmp_path, **chosen)
    save_file({name: weight for name, weight in weights.items() if name != first}, single)
    with pytest.raises(InputError, match=r"one\.safetensors: does not fit the configs of .*given"):
        take(single, tmp_path, **chosen)
    cut(single)
    with pytest.raises(InputError, match=r"one\.safetensors: is cut"):
        take(single, tmp_path, **chosen)
    with pytest.raises(InputError, match=r"config\.json: one file that is no safetensors"):
        take(given / "unet" / "config.json", tmp_path, **chosen)
