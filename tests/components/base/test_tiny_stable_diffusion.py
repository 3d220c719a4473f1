from __future__ import annotations

from pathlib import Path

from platen.components.base.settings import TinySettings
from platen.components.base.tiny import write_clip
from platen.components.base.tiny_stable_diffusion import new_unet, write
from platen.families.registry import family_named
from tests.components.base.parts import random_parts


def test_the_folder_is_one_of_the_family(tmp_path: Path) -> None:
    parts = random_parts(unet_channels=[16, 32])
    write_clip(parts, tmp_path / "clip")
    write(parts, tmp_path)
    family = family_named("stable-diffusion")
    family.check(tmp_path)
    family.check_weights(tmp_path)


def test_only_the_first_level_of_the_unet_reads_no_caption() -> None:
    unet = new_unet(TinySettings(unet_channels=(8, 16, 16)), latent_size=8)
    assert unet.config["down_block_types"] == ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")
    assert unet.config["up_block_types"] == ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
