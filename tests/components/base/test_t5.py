from __future__ import annotations

import torch

from platen.components.base.settings import TinySettings
from platen.components.base.t5 import image_features, mean_state, new_t5, train_t5, train_tokenizer
from tests.components.base.parts import CAPTIONS, random_parts

TINY = TinySettings(vocabulary=600, clip_width=32, caption_tokens=12)


def test_the_tokenizer_keeps_known_words_whole_and_spells_others() -> None:
    tokenizer = train_tokenizer(CAPTIONS, TINY)
    assert tokenizer.tokenize("a red circle") == ["▁", "a", "▁red", "▁circle"]
    assert tokenizer.decode(tokenizer("zebra").input_ids, skip_special_tokens=True).strip() == "zebra"
    assert len(tokenizer("a red circle", padding="max_length", truncation=True).input_ids) == 12
    assert tokenizer.get_vocab() == train_tokenizer(CAPTIONS[::-1], TINY).get_vocab()


def test_padding_is_no_part_of_the_mean_state() -> None:
    tokenizer = train_tokenizer(CAPTIONS, TINY)
    model = new_t5(tokenizer, TINY).eval()
    short, padded = (tokenizer(["a red circle"], padding=how, return_tensors="pt") for how in ("longest", "max_length"))
    with torch.no_grad():
        one, other = (mean_state(model, words.input_ids, words.attention_mask) for words in (short, padded))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_trained_it_tells_captions_apart_by_their_images() -> None:
    parts = random_parts(clip_steps=40)
    parts.pixels[:] = parts.pixels[: len(CAPTIONS) // 2].repeat(2, 1, 1, 1)  # equal captions, equal images
    tokenizer = train_tokenizer(CAPTIONS, parts.settings.tiny)
    model = train_t5(parts.pixels, CAPTIONS, tokenizer, parts.clip, parts.settings)
    assert not any(weight.requires_grad for weight in model.parameters())
    torch.testing.assert_close(image_features(parts.clip, parts.pixels).norm(dim=1), torch.ones(len(CAPTIONS)))
    words = tokenizer(CAPTIONS[:6], padding=True, return_tensors="pt")
    states = torch.nn.functional.normalize(mean_state(model, words.input_ids, words.attention_mask), dim=1)
    assert (states @ states.t())[~torch.eye(6, dtype=torch.bool)].max() < 0.999
