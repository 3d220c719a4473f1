"""Loading: what cannot be loaded whole is refused by folder and weight."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn

from platen.core.errors import InputError
from platen.core.stage import Folder
from platen.families.diffusers_models import NetworkDenoiser, check_tokenizer, load_any, load_part, load_pipeline
from platen.families.tiny_tokenizers import clip_tokenizer

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def vae(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path / "vae", tmp_path / "vae"))


def test_a_part_is_loaded_in_fp32(vae: Path) -> None:
    file = vae / WEIGHTS
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, metadata={"format": "pt"})
    assert {parameter.dtype for parameter in load_part(AutoencoderKL, vae).parameters()} == {torch.float32}


def test_a_weight_that_is_missing_or_of_another_size_is_named(vae: Path) -> None:
    file, weights = vae / WEIGHTS, load_file(vae / WEIGHTS)
    first = "decoder.conv_in.bias"
    save_file({**weights, first: torch.zeros(3)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"vae: has other sizes of 1 weights of its config\.json, as {first}"):
        load_part(AutoencoderKL, vae)
    save_file({name: tensor for name, tensor in weights.items() if name != first}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=rf"vae: lacks 1 weights of its config\.json, as {first}"):
        load_part(AutoencoderKL, vae)


def test_what_cannot_be_loaded_at_all_is_the_user_s_and_want_of_memory_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: cannot be loaded as AutoencoderKL"):
        load_any(AutoencoderKL, tmp_path / "none")

    def from_pretrained(*_: object, **__: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        load_any(SimpleNamespace(from_pretrained=from_pretrained, __name__="Big"), tmp_path)


@pytest.mark.parametrize("index", [{"_class_name": "NoSuchPipeline"}, {}, {"_class_name": "FluxPipeline"}])
def test_a_folder_that_is_no_pipeline_is_refused_in_one_line(tmp_path: Path, index: dict[str, str]) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r": not a model that diffusers loads: ") as caught:
        load_pipeline(tmp_path, "cpu", "float32")
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_lost_its_words_or_has_more_than_its_encoder_is_refused(tmp_path: Path) -> None:
    def wordless(caption: str) -> Any:
        return SimpleNamespace(input_ids=[0, 1])

    with pytest.raises(InputError, match="gives all captions the same ids"):
        check_tokenizer(wordless, None, tmp_path)
    tokenizer = clip_tokenizer()
    encoder = SimpleNamespace(get_input_embeddings=lambda: SimpleNamespace(num_embeddings=len(tokenizer) - 1))
    with pytest.raises(InputError, match=rf"has ids up to {len(tokenizer) - 1}; accepted: ids below"):
        check_tokenizer(tokenizer, encoder, tmp_path)
    check_tokenizer(tokenizer, None, tmp_path)


def test_weights_are_named_as_the_component_is_in_the_folder_and_ids_go_through_a_trained_encoder() -> None:
    family = SimpleNamespace(
        network="unet",
        encode_ids=lambda encoder, conditions: {"embeds": encoder(conditions["ids"])},
        predict=lambda network, noisy, timesteps, conditions: network(noisy) + conditions["embeds"],
    )
    network, encoder = nn.Linear(2, 2), nn.Linear(2, 2)
    both: Any = NetworkDenoiser(family, network, encoder)  # type: ignore[arg-type]
    assert {name.split(".")[0] for name, _ in both.named_parameters()} == {"unet", "text_encoder"}
    x = torch.ones(1, 2)
    assert torch.equal(both(x, torch.zeros(1), {"ids": 2 * x}), network(x) + encoder(2 * x))
    alone: Any = NetworkDenoiser(family, network)  # type: ignore[arg-type]
    assert torch.equal(alone(x, torch.zeros(1), {"embeds": x}), network(x) + x)
