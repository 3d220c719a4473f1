from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from platen.core.errors import InputError
from platen.families.registry import family_of_network
from platen.families.stable_diffusion_xl import FAMILY
from tests.platen.families.parity import PROMPTS, check_images, check_parity, pixels


def changed(folder: Path, out: Path, name: str, **values: Any) -> Path:
    """Copy a model with other values in one of its JSON files."""
    shutil.copytree(folder, out)
    file = out / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return out


def noise(size: tuple[int, int]) -> torch.Tensor:
    return torch.randn(2, 4, size[0] // 8, size[1] // 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_the_unet_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        noise(size),
        guided=guidance > 1,
        height=height,
        width=width,
        **FAMILY.generation_arguments(guidance),
    )


def test_the_empty_caption_is_encoded_where_the_model_does_not_force_zeros(folder: Path, tmp_path: Path) -> None:
    model = changed(folder, tmp_path / "model", "model_index.json", force_zeros_for_empty_prompt=False)
    check_parity(model, PROMPTS, noise((64, 64)), guided=True, height=64, width=64, guidance_scale=5.0)
    for of, zero in ((folder, True), (model, False)):
        encoded = FAMILY.encoders(of, "cpu").encode_captions([""])
        assert {name: not tensor.any() for name, (tensor,) in encoded.items()} == dict.fromkeys(encoded, zero)


def test_latents_follow_the_mean_and_deviation_of_the_autoencoder(folder: Path, tmp_path: Path) -> None:
    values = {"latents_mean": [0.1, -0.2, 0.3, 0.4], "latents_std": [2.0, 3.0, 0.5, 1.5]}
    model = changed(folder, tmp_path / "model", "vae/config.json", **values)
    check_images(model, pixels(2, (64, 32)))


def test_an_autoencoder_of_another_scale_is_refused(folder: Path, tmp_path: Path) -> None:
    model = changed(folder, tmp_path / "model", "vae/config.json", block_out_channels=[8, 8, 16])
    with pytest.raises(InputError, match=r"vae/config\.json: block_out_channels: 4 pixels per latent"):
        FAMILY.latent_scale(model)


def test_a_unet_is_told_from_stable_diffusion_s_by_what_it_reads(folder: Path) -> None:
    file = folder / "unet" / "config.json"
    assert family_of_network(json.loads(file.read_text()), file) is FAMILY


def test_latents_that_the_unet_cannot_halve_are_refused(folder: Path) -> None:
    config = FAMILY.read_config(folder, "unet")
    FAMILY.check_size(config, (8, 6))
    with pytest.raises(InputError, match="multiples of 2"):
        FAMILY.check_size(config, (8, 7))


def test_the_published_unet_is_built_and_fed() -> None:
    published = {
        "_class_name": "UNet2DConditionModel",
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "projection_class_embeddings_input_dim": 2816,
        "sample_size": 128,
        "transformer_layers_per_block": [1, 2, 10],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "use_linear_projection": True,
    }
    with torch.device("meta"):
        denoiser = FAMILY.build_network(published)
        noisy, timesteps, conditions = FAMILY.example(denoiser, 1, (128, 128), 77)
        assert denoiser(noisy, timesteps, conditions).shape == (1, 4, 128, 128)
    assert round(sum(parameter.numel() for parameter in denoiser.parameters()) / 1e9, 2) == 2.57
    assert conditions["pooled_prompt_embeds"].shape == (1, 1280)
