"""Parts of tiny models with random weights, and the captions that their tokenizer knows."""

from __future__ import annotations

from typing import Any

import torch

from platen.components.base.autoencoder import new_autoencoder
from platen.components.base.clip import new_clip
from platen.components.base.settings import BaseModelSettings
from platen.components.base.tiny_parts import Parts
from platen.components.base.tokenizer import train_tokenizer
from platen.core.settings import build

SIDE = 32  # pixels
CAPTIONS = [f"a {colour} {shape}" for colour in ("red", "green") for shape in ("circle", "square", "triangle")] * 2


def random_parts(**tiny: Any) -> Parts:
    """Make the parts for captions of two colors and three shapes."""
    torch.manual_seed(0)
    settings = build(BaseModelSettings, {"tiny": {"clip_steps": 3, "clip_width": 32, **tiny}})
    tokenizer = train_tokenizer(CAPTIONS, settings.tiny.vocabulary, settings.tiny.caption_tokens)
    return Parts(
        settings=settings,
        resolution=SIDE,
        pixels=torch.rand(len(CAPTIONS), 3, SIDE, SIDE) * 2 - 1,
        captions=CAPTIONS,
        tokenizer=tokenizer,
        clip=new_clip(tokenizer, SIDE, settings.tiny).eval(),
        autoencoder=new_autoencoder(settings.tiny.vae_channels, SIDE).eval(),
    )
