from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import QwenImagePipeline

from platen.families.qwen_image import FAMILY
from tests.platen.families.parity import PROMPTS, check_parity


def pack(latents: torch.Tensor) -> torch.Tensor:
    n, channels, height, width = latents.shape
    return QwenImagePipeline._pack_latents(latents, n, channels, height, width)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (16, 48)])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        torch.randn(2, 4, height // 2, width // 2, generator=torch.Generator().manual_seed(5)),
        pack=pack,
        guided=guidance > 1,
        negative_first=False,
        height=height,
        width=width,
        sigmas=[0.6],
        **FAMILY.generation_arguments(guidance, images=len(PROMPTS)),
    )
