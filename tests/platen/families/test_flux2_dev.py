from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import Flux2Pipeline

from platen.families.flux2_dev import FAMILY
from platen.families.generation import GenerationPipeline
from tests.platen.families.parity import PROMPTS, check_parity

pack = Flux2Pipeline._pack_latents


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (16, 48)])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int]) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        torch.randn(2, 16, height // 4, width // 4, generator=torch.Generator().manual_seed(5)),
        pack=pack,
        packs_latents=True,
        height=height,
        width=width,
        sigmas=[0.6],
        guidance_scale=FAMILY.guidance,
    )


@pytest.fixture
def published(folder: Path, tmp_path: Path) -> Path:
    """The same model with a processor of texts and images for a tokenizer, as FLUX.2 dev is published."""
    copy = tmp_path / "published"
    shutil.copytree(folder, copy)
    index = json.loads((copy / "model_index.json").read_bytes())
    (copy / "model_index.json").write_text(json.dumps({**index, "tokenizer": ["transformers", "PixtralProcessor"]}))
    processor = {"processor_class": "PixtralProcessor", "image_processor": {}, "patch_size": 14}
    (copy / "tokenizer" / "processor_config.json").write_text(json.dumps(processor))
    # of the two classes that could read it the processor takes the general one, which pads at the end
    config = json.loads((copy / "tokenizer" / "tokenizer_config.json").read_bytes())
    config = {**config, "tokenizer_class": "LlamaTokenizer", "processor_class": "PixtralProcessor"}
    (copy / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(config))
    return copy


def test_the_published_processor_is_read_without_torchvision(published: Path) -> None:
    FAMILY.check(published)
    encoders = FAMILY.encoders(published, "cpu")
    tokenizer = encoders.pipeline.tokenizer
    assert (type(tokenizer).__name__, tokenizer.padding_side) == ("TokenizersBackend", "right")
    (embeds,) = encoders.encode_captions(["a red circle"])["prompt_embeds"]
    assert embeds.isfinite().all()
    assert encoders.count_tokens("a red circle") > len("a red circle")
    (image,) = GenerationPipeline.load(published, "cpu", "float32").generate(["a red circle"], [1], 32, 32, 1, 1.0)
    assert image.size == (32, 32)
