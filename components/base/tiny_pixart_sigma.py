"""A tiny PixArt-Sigma: a DiT with cross-attention to T5."""

from __future__ import annotations

from pathlib import Path

from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel

from platen.components.base.t5 import train_t5, train_tokenizer
from platen.components.base.tiny_parts import Parts, new_scheduler

HEAD = 32  # width of an attention head


def write(parts: Parts, out: Path) -> None:
    """Train T5 on what CLIP sees in the images, and write the diffusers folder with it, its DiT at random."""
    tokenizer = train_tokenizer(parts.captions, parts.settings.tiny)
    PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=train_t5(parts.pixels, parts.captions, tokenizer, parts.clip, parts.settings),
        vae=parts.autoencoder,
        transformer=new_transformer(parts),
        scheduler=new_scheduler(),
    ).save_pretrained(out)


def new_transformer(parts: Parts) -> PixArtTransformer2DModel:
    """Make the DiT; each latent is a token, of which there are few at these sizes."""
    tiny = parts.settings.tiny
    return PixArtTransformer2DModel(
        sample_size=parts.latent_size,
        patch_size=1,
        num_layers=tiny.transformer_layers,
        attention_head_dim=HEAD,
        num_attention_heads=tiny.transformer_width // HEAD,
        cross_attention_dim=tiny.transformer_width,
        caption_channels=tiny.clip_width,
        attention_bias=True,
        interpolation_scale=1,
        use_additional_conditions=False,
    )
