from __future__ import annotations

from pathlib import Path

import pytest
import torch

from platen.families.z_image import FAMILY
from tests.platen.families.parity import PROMPTS, check_parity


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (16, 48)])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guidance: float) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        torch.randn(2, 4, height // 2, width // 2, generator=torch.Generator().manual_seed(5)),
        guided=guidance > 1,
        negative_first=False,
        height=height,
        width=width,
        sigmas=[0.6],
        **FAMILY.generation_arguments(guidance),
    )


def test_guidance_of_one_is_the_captions_own_prediction() -> None:
    assert FAMILY.generation_arguments(1.0) == {"guidance_scale": 0}
    assert FAMILY.generation_arguments(5.0) == {"guidance_scale": 4.0}  # caption + 4 x (caption - empty)
