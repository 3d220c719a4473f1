from __future__ import annotations

from pathlib import Path

import torch

from platen.components.base.tiny_stable_diffusion_3 import text_tower, write
from platen.families.generation import GenerationPipeline
from platen.families.registry import family_named
from tests.components.base.parts import CAPTIONS, random_parts


def test_the_folder_is_one_of_the_family_and_generates(tmp_path: Path) -> None:
    write(random_parts(transformer_width=32, transformer_layers=1), tmp_path)
    family = family_named("stable-diffusion-3")
    family.check(tmp_path)
    family.check_weights(tmp_path)
    (image,) = GenerationPipeline.load(tmp_path, "cpu", "float32").generate(["a red circle"], [1], 32, 32, 2, 2.0)
    assert image.size == (32, 32)


def test_the_text_tower_says_what_clip_says() -> None:
    parts = random_parts()
    words = parts.tokenizer(CAPTIONS[:2], padding="max_length", return_tensors="pt")
    with torch.no_grad():
        pooled = parts.clip.text_projection(parts.clip.text_model(input_ids=words.input_ids).pooler_output)
        torch.testing.assert_close(text_tower(parts.clip)(input_ids=words.input_ids).text_embeds, pooled)
