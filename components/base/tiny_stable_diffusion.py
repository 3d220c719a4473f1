"""A tiny Stable Diffusion: a UNet that reads the states of CLIP's text tower."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from platen.components.base.settings import TinySettings
from platen.components.base.tiny_parts import Parts, new_scheduler


def write(parts: Parts, out: Path) -> None:
    """Write the diffusers folder, its text encoder being CLIP's own, which lies in `out`/clip, its UNet at random."""
    StableDiffusionPipeline(
        vae=parts.autoencoder,
        text_encoder=CLIPTextModel.from_pretrained(out / "clip"),
        tokenizer=parts.tokenizer,
        unet=new_unet(parts.settings.tiny, parts.latent_size),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(out)


def new_unet(tiny: TinySettings, latent_size: int) -> UNet2DConditionModel:
    """Make a UNet with cross-attention on every level but the first, random weights.

    The pooled caption also scales and shifts every block, together with the timestep: with it a tiny UNet learns in a
    few hundred steps what cross-attention alone takes thousands for.
    """
    below = len(tiny.unet_channels) - 1
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=tiny.unet_channels,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * below),
        up_block_types=(*("CrossAttnUpBlock2D",) * below, "UpBlock2D"),
        cross_attention_dim=tiny.clip_width,
        attention_head_dim=4,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )
