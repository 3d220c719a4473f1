from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from platen.core.errors import InputError
from platen.families.pixart_sigma import FAMILY
from platen.families.registry import family_of_network
from tests.platen.families.parity import check_parity

PROMPTS = ["A red circle ", "a blue square on sand, seen from above"]


@pytest.fixture(scope="module")
def early(folder: Path) -> Path:
    """The same model as the first ones were published, under the class that held all transformers then."""
    out = folder.parent / "early"
    shutil.copytree(folder, out)
    for file in (out / "model_index.json", out / "transformer" / "config.json"):
        file.write_text(file.read_text().replace("PixArtTransformer2DModel", "Transformer2DModel"))
    return out


def check(folder: Path, size: tuple[int, int], guidance: float, prompts: list[str] = PROMPTS) -> None:
    height, width = size
    check_parity(
        folder,
        prompts,
        torch.randn(2, 4, height // 8, width // 8, generator=torch.Generator().manual_seed(5)),
        guided=guidance > 1,
        masks={"encoder_hidden_states": "encoder_attention_mask"},
        height=height,
        width=width,
        **FAMILY.generation_arguments(guidance),
    )


@pytest.mark.parametrize("guidance", [1.0, 4.5])
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    check(folder, size, guidance)


def test_a_model_of_the_first_ones_published_is_the_same(early: Path) -> None:
    assert json.loads((early / "transformer" / "config.json").read_text())["_class_name"] == "Transformer2DModel"
    check(early, (64, 64), 1.0)


def test_a_long_caption_ends_where_diffusers_cuts_it(folder: Path) -> None:
    check(folder, (64, 64), 1.0, ["a red circle", "a blue square on sand, " * 30])


def test_captions_are_stored_in_their_own_length(folder: Path) -> None:
    encoders = FAMILY.encoders(folder, "cpu")
    encoded = encoders.encode_captions([*PROMPTS, ""])["prompt_embeds"]
    assert [len(tensor) for tensor in encoded] == [encoders.count_tokens(caption) for caption in [*PROMPTS, ""]]
    assert len(encoded[2]) == 1  # the mark at the end


def test_networks_that_are_told_the_size_of_the_image_are_another_family(folder: Path, early: Path) -> None:
    for model in (folder, early):
        file = model / "transformer" / "config.json"
        config = json.loads(file.read_text())
        assert family_of_network(config, file) is FAMILY
        for sized in ({"use_additional_conditions": True}, {"use_additional_conditions": None, "sample_size": 128}):
            with pytest.raises(InputError, match="no family"):
                family_of_network({**config, **sized}, file)


def test_the_published_transformer_is_built_and_fed() -> None:
    published = {
        "_class_name": "PixArtTransformer2DModel",
        "attention_bias": True,
        "caption_channels": 4096,
        "interpolation_scale": 2,
        "norm_type": "ada_norm_single",
        "sample_size": 128,
        "use_additional_conditions": False,
    }
    with torch.device("meta"):
        denoiser = FAMILY.build_network(published)
        noisy, timesteps, conditions = FAMILY.example(denoiser, 1, (128, 128), FAMILY.default_tokens)
        assert denoiser(noisy, timesteps, conditions).shape == (1, 4, 128, 128)
    assert round(sum(parameter.numel() for parameter in denoiser.parameters()) / 1e9, 2) == 0.61
