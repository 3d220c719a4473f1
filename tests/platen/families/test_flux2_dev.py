from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import Flux2Pipeline

from platen.families.flux2_dev import FAMILY
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
