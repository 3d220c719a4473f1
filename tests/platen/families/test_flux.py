from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

from platen.families.packing import unpack
from tests.platen.families.parity import PROMPTS, check_parity, platen_calls


@pytest.fixture(scope="module")
def undistilled(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a network that takes no guidance, as FLUX.1-schnell's."""
    out = tmp_path_factory.mktemp("undistilled")
    config = {**FluxTransformer2DModel.load_config(folder / "transformer"), "guidance_embeds": False}
    torch.manual_seed(4)
    FluxPipeline.from_pretrained(folder, transformer=FluxTransformer2DModel.from_config(config)).save_pretrained(out)
    return out


def noise(height: int, width: int) -> torch.Tensor:
    return torch.randn(2, 4, height // 2, width // 2, generator=torch.Generator().manual_seed(5))


def pack(latents: torch.Tensor) -> torch.Tensor:
    n, channels, height, width = latents.shape
    return FluxPipeline._pack_latents(latents, n, channels, height, width)


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (16, 48)])
@pytest.mark.parametrize("guided", [False, True])
def test_the_transformer_gets_what_diffusers_hands_it(folder: Path, size: tuple[int, int], guided: bool) -> None:
    height, width = size
    check_parity(
        folder,
        PROMPTS,
        noise(height, width),
        pack=pack,
        guided=guided,
        negative_first=False,
        height=height,
        width=width,
        sigmas=[0.6],
        guidance_scale=1.0,
        **({"true_cfg_scale": 4.0, "negative_prompt": ["", ""]} if guided else {}),
    )


def test_a_network_without_guidance_gets_none(undistilled: Path) -> None:
    check_parity(undistilled, PROMPTS, noise(32, 64), pack=pack, height=32, width=64, sigmas=[0.6], guidance_scale=3.5)
    calls = platen_calls(undistilled, PROMPTS, noise(32, 64), torch.tensor(600.0))
    assert calls.inputs[0].get("guidance") is None


def test_unpacking_is_what_diffusers_does_before_it_decodes() -> None:
    tokens = torch.randn(2, 6 * 4, 16)
    assert torch.equal(unpack(tokens, 12, 8), FluxPipeline._unpack_latents(tokens, 24, 16, 2))
