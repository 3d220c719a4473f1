"""A tiny T5 encoder: its tokenizer has the captions' words, its states say what CLIP sees in the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel, T5Config, T5EncoderModel, T5Tokenizer

from platen.components.base.clip import match_captions
from platen.components.base.settings import BaseModelSettings, TinySettings

LETTERS = [chr(code) for code in range(33, 127)]
SHARPNESS = 30.0  # that similarities are multiplied by before the softmax


def train_tokenizer(captions: Sequence[str], tiny: TinySettings) -> T5Tokenizer:
    """Make a T5 tokenizer of the words of captions, in lower case as the pipeline has it; other words are spelled."""
    counts = Counter(word for caption in captions for word in caption.lower().split() if len(word) > 1)
    most = tiny.vocabulary - len(LETTERS) - 4
    words = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -6.0)]
    vocab = [*marks, *((f"▁{word}", -1.0) for word in words), *((letter, -8.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=tiny.caption_tokens)


def train_t5(
    pixels: Tensor, captions: list[str], tokenizer: T5Tokenizer, clip: CLIPModel, settings: BaseModelSettings
) -> T5EncoderModel:
    """Train an encoder whose mean state tells which image a caption belongs to, CLIP's image tower being as it is.

    Args:
        pixels: (n, 3, height, width) in [-1, 1].
        captions: n texts; equal ones count as a match of each other's images.
        tokenizer: Of the captions.
        clip: Trained on the same.
        settings: Sizes, steps, seed.
    """
    tiny = settings.tiny
    images = image_features(clip, pixels)
    words = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    model, head = new_t5(tokenizer, tiny), nn.Linear(tiny.clip_width, images.shape[1])

    def logits(chosen: Tensor) -> Tensor:
        texts = head(mean_state(model, words.input_ids[chosen], words.attention_mask[chosen]))
        return SHARPNESS * functional.normalize(texts, dim=-1) @ images[chosen].t()

    model.train()
    match_captions([*model.parameters(), *head.parameters()], logits, captions, settings, "base: T5")
    return model.eval().requires_grad_(False)


def new_t5(tokenizer: T5Tokenizer, tiny: TinySettings) -> T5EncoderModel:
    """Make the encoder at random, its words so far apart from the start that each stays visible in the states."""
    model = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=tiny.clip_width,
            d_kv=tiny.clip_width // 4,
            d_ff=4 * tiny.clip_width,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    torch.nn.init.normal_(model.shared.weight, std=0.5)
    return model


@torch.no_grad()
def image_features(clip: CLIPModel, pixels: Tensor) -> Tensor:
    """Return what CLIP's image tower says of images, (n, width), of length 1."""
    projected = [
        clip.visual_projection(clip.vision_model(pixel_values=batch).pooler_output) for batch in pixels.split(256)
    ]
    return functional.normalize(torch.cat(projected), dim=-1)


def mean_state(model: T5EncoderModel, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the states of all tokens but the padding, (n, width)."""
    states: Tensor = model(input_ids=ids, attention_mask=mask)[0]
    weights = mask[..., None].to(states)
    return (states * weights).sum(1) / weights.sum(1)
