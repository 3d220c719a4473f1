from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.platen.families.parity import PROMPTS, check_parity


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 64)])
def test_the_unet_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    height, width = size
    latents = torch.randn(2, 4, height // 2, width // 2, generator=torch.Generator().manual_seed(5))
    check_parity(folder, PROMPTS, latents, guided=guidance > 1, height=height, width=width, guidance_scale=guidance)
