"""A tiny CLIP, trained contrastively on captioned pictures (arXiv 2103.00020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from platen.components.base.settings import BaseModelSettings, TinySettings
from platen.core.telemetry import track

BATCH = 64
PATCHES = 8  # a side


def train_clip(
    pixels: Tensor, captions: list[str], tokenizer: CLIPTokenizer, settings: BaseModelSettings
) -> tuple[CLIPModel, float]:
    """A CLIPModel that tells which caption belongs to which picture, and its last loss.

    Args:
        pixels: (n, 3, height, width) in [-1, 1].
        captions: n texts; equal ones count as a match of each other's pictures.
        tokenizer: Of the captions.
        settings: Sizes, steps, seed.
    """
    model = new_clip(tokenizer, pixels.shape[-1], settings.tiny)
    words = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")

    def logits(chosen: Tensor) -> Tensor:
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        found: Tensor = model(
            input_ids=words.input_ids[chosen],
            attention_mask=words.attention_mask[chosen],
            pixel_values=pixels[chosen],
        ).logits_per_text
        return found

    model.train()
    loss = match_captions(model.parameters(), logits, captions, settings, "base: CLIP")
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return model.eval(), loss


def match_captions(
    weights: Iterable[nn.Parameter],
    logits: Callable[[Tensor], Tensor],
    captions: Sequence[str],
    settings: BaseModelSettings,
    what: str,
) -> float:
    """Train weights to tell which caption belongs to which image, and return the last loss.

    Args:
        weights: That are trained.
        logits: From the numbers of some samples to logits (texts, images) of each of their texts with each image.
        captions: Of all samples.
        settings: Steps, learning rate, seed.
        what: Is trained, for the progress lines.
    """
    tiny = settings.tiny
    numbers = {caption: number for number, caption in enumerate(dict.fromkeys(captions))}
    groups = torch.tensor([numbers[caption] for caption in captions])
    optimizer = torch.optim.AdamW(weights, lr=tiny.clip_learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, tiny.clip_learning_rate, total_steps=tiny.clip_steps, pct_start=0.1, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(settings.seed)
    for _ in track(range(tiny.clip_steps), what, tiny.clip_steps, "steps"):
        chosen = torch.randperm(len(captions), generator=generator)[:BATCH]
        loss = matching_loss(logits(chosen), groups[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return float(loss.detach())


def new_clip(tokenizer: CLIPTokenizer, resolution: int, tiny: TinySettings) -> CLIPModel:
    """The model at random, its words so far apart from the start that each stays visible in the text's last states."""
    model = CLIPModel(config(tokenizer, resolution, tiny.clip_width, tiny.caption_tokens))
    torch.nn.init.normal_(model.text_model.embeddings.token_embedding.weight, std=0.5)
    return model


def matching_loss(logits: Tensor, groups: Tensor) -> Tensor:
    """Cross-entropy both ways over logits (texts, pictures); all pairs of one group are right, in equal shares."""
    same = (groups[:, None] == groups[None]).float()
    target = same / same.sum(1, keepdim=True)
    return 0.5 * (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.t(), target))


def config(tokenizer: CLIPTokenizer, resolution: int, width: int, tokens: int) -> CLIPConfig:
    """Two towers of two layers."""
    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": width,
    }
    text = {
        **tower,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokens,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {**tower, "image_size": resolution, "patch_size": resolution // PATCHES}
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)
