from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from platen.core.errors import InputError
from platen.families.stable_diffusion_3 import FAMILY
from tests.platen.families.parity import PROMPTS, check_parity

ABSENT = ["text_encoder_3", "tokenizer_3"]


@pytest.fixture(scope="module")
def without_t5(folder: Path) -> Path:
    """A model that was published without T5, as the smaller downloads are."""
    out = folder.parent / "without-t5"
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True, **dict.fromkeys(ABSENT))
    pipeline.save_pretrained(out)
    return out


def check(folder: Path, size: tuple[int, int], guidance: float, absent: Sequence[str] = ()) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        torch.randn(2, 16, height // 8, width // 8, generator=torch.Generator().manual_seed(5)),
        guided=guidance > 1,
        absent=absent,
        height=height,
        width=width,
        **FAMILY.generation_arguments(guidance),
    )


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    check(folder, size, guidance)


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_zeros_stand_for_t5_as_diffusers_makes_them(without_t5: Path, guidance: float) -> None:
    check(without_t5, (64, 96), guidance, ABSENT)


def test_zeros_are_not_stored(without_t5: Path) -> None:
    encoders = FAMILY.encoders(without_t5, "cpu")
    encoded = encoders.encode_captions(PROMPTS)
    assert {name: tuple(tensors[0].shape) for name, tensors in encoded.items()} == {
        "clip_prompt_embeds": (77, 80),
        "pooled_prompt_embeds": (80,),
    }
    assert encoders.max_tokens == 77
    assert encoders.count_tokens("a b") == 4  # two letters between CLIP's marks


def test_a_model_without_clip_is_refused(folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(folder, model, ignore=shutil.ignore_patterns("text_encoder_2"))
    with pytest.raises(InputError, match="no text_encoder_2"):
        FAMILY.encoders(model, "cpu")


@pytest.mark.parametrize(("size", "accepted"), [((8, 7), "multiples of 2"), ((34, 8), "up to 32")])
def test_latents_that_the_transformer_cannot_read_are_refused(
    folder: Path, size: tuple[int, int], accepted: str
) -> None:
    config = FAMILY.read_config(folder, "transformer")
    FAMILY.check_size(config, (32, 8))
    with pytest.raises(InputError, match=accepted):
        FAMILY.check_size(config, size)


def test_the_published_transformer_is_built_and_fed() -> None:
    published = {  # 3.5 large
        "_class_name": "SD3Transformer2DModel",
        "attention_head_dim": 64,
        "caption_projection_dim": 2432,
        "joint_attention_dim": 4096,
        "num_attention_heads": 38,
        "num_layers": 38,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
        "qk_norm": "rms_norm",
    }
    with torch.device("meta"):
        denoiser = FAMILY.build_network(published)
        noisy, timesteps, conditions = FAMILY.example(denoiser, 1, (128, 128), FAMILY.default_tokens)
        assert denoiser(noisy, timesteps, conditions).shape == (1, 16, 128, 128)
    assert round(sum(parameter.numel() for parameter in denoiser.parameters()) / 1e9, 1) == 8.1
    assert conditions["clip_prompt_embeds"].shape == (1, 77, 768 + 1280)
