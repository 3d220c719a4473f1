"""Base models that must not be taken for whole ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from platen.components.encode.encoder import Encoder
from platen.components.encode.settings import EncodeSettings
from platen.core.errors import InputError, SettingsError
from platen.core.stage import Folder
from platen.families.stable_diffusion import FAMILY, StableDiffusion

Weights = dict[str, Tensor]
FILES = {"vae": "diffusion_pytorch_model.safetensors", "text_encoder": "model.safetensors"}
ACCEPTED = r"Accepted: a diffusers folder"
SETTINGS = EncodeSettings(device="cpu")


@pytest.fixture
def given(tiny_model: Folder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model.path, tmp_path / "given"))


def rewrite(path: Path, change: Callable[[Weights], Weights]) -> None:
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


def under_other_names(weights: Weights) -> Weights:
    return {f"other.{name}": weight for name, weight in weights.items()}


def without_the_first(weights: Weights) -> Weights:
    return {name: weight for name, weight in weights.items() if name != min(weights)}


def with_a_smaller_first(weights: Weights) -> Weights:
    return {**weights, min(weights): torch.zeros(3)}


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (under_other_names, r"lacks \d+ weights"),
        (without_the_first, "lacks 1 weights"),
        (with_a_smaller_first, "has other sizes of 1 weights"),
    ],
)
def test_weights_that_do_not_fill_the_model(
    given: Path, part: str, change: Callable[[Weights], Weights], fault: str
) -> None:
    first = min(load_file(given / part / FILES[part]))
    rewrite(given / part / FILES[part], change)
    with pytest.raises(InputError, match=rf"given/{part}: {fault} of its config\.json, as {first}\. {ACCEPTED}"):
        Encoder(FAMILY, given, SETTINGS)


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize("share", [0, 0.5])
def test_weights_whose_file_is_cut(given: Path, part: str, share: float) -> None:
    path = given / part / FILES[part]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=rf"given/{part}: cannot be loaded as .*{ACCEPTED}"):
        Encoder(FAMILY, given, SETTINGS)


@pytest.mark.parametrize("part", FILES)
def test_a_config_of_something_else(given: Path, part: str) -> None:
    (given / part / "config.json").write_text('{"hidden_size": "many", "block_out_channels": 3}')
    with pytest.raises(InputError, match=f"given/{part}: cannot be loaded as"):
        Encoder(FAMILY, given, SETTINGS)


def test_a_text_encoder_with_the_names_of_older_files(given: Path) -> None:
    def older(weights: Weights) -> Weights:
        named = {f"text_model.{name}": weight for name, weight in weights.items()}
        return {**named, "text_model.embeddings.position_ids": torch.arange(32)[None]}

    (wanted,) = Encoder(FAMILY, given, SETTINGS).encode_captions(["a red circle"])["prompt_embeds"]
    rewrite(given / "text_encoder" / FILES["text_encoder"], older)
    (found,) = Encoder(FAMILY, given, SETTINGS).encode_captions(["a red circle"])["prompt_embeds"]
    assert (found == wanted).all()


def test_an_autoencoder_with_the_names_of_older_files(given: Path) -> None:
    from diffusers import AutoencoderKL

    def older(weights: Weights) -> Weights:
        for name, before in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
            weights = {key.replace(name, before): weight for key, weight in weights.items()}
        return weights

    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(given / "vae")
    wanted = Encoder(FAMILY, given, SETTINGS).encoders.pipeline.vae.state_dict()
    rewrite(given / "vae" / FILES["vae"], older)
    found = Encoder(FAMILY, given, SETTINGS).encoders.pipeline.vae.state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())


def test_a_tokenizer_without_words(given: Path) -> None:
    (given / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=rf"given/tokenizer: gives all captions the same ids.*{ACCEPTED}"):
        Encoder(FAMILY, given, SETTINGS)


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"], ids=["empty", "cut", "nothing in it", "a list"])
def test_a_tokenizer_that_is_none(given: Path, content: str) -> None:
    (given / "tokenizer" / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=rf"given/tokenizer: cannot be loaded as CLIPTokenizer.*{ACCEPTED}"):
        Encoder(FAMILY, given, SETTINGS)


def test_a_tokenizer_with_more_words_than_the_text_encoder(given: Path) -> None:
    config = given / "text_encoder" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "vocab_size": 500}))
    rewrite(
        given / "text_encoder" / FILES["text_encoder"],
        lambda weights: {
            name: weight[:500] if "token_embedding" in name else weight for name, weight in weights.items()
        },
    )
    with pytest.raises(InputError, match="given/tokenizer: has ids up to 569; accepted: ids below 500"):
        Encoder(FAMILY, given, SETTINGS)


def test_token_ids_of_a_family_that_does_not_train_its_text_encoder(given: Path) -> None:
    family = StableDiffusion()
    family.trains_text_encoder = False
    with pytest.raises(SettingsError, match=r"encode\.text: 'tokens', but of stable-diffusion .*Accepted: embeddings"):
        Encoder(family, given, EncodeSettings(device="cpu", text="tokens"))
