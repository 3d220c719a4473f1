"""The tiny CLIP: its loss held against transformers' own, and its sizes against its tokenizer."""

from __future__ import annotations

import pytest
import torch
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from platen.components.base.clip import PATCHES, config, matching_loss, train_clip
from platen.components.base.settings import BaseModelSettings
from platen.core.settings import build
from platen.families.tiny_tokenizers import clip_tokenizer

pytestmark = pytest.mark.usefixtures("one_thread")
LOGITS = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))


def test_of_captions_that_all_differ_the_loss_is_clip_s_own() -> None:
    assert matching_loss(LOGITS, torch.arange(6)).item() == pytest.approx(
        image_text_contrastive_loss(LOGITS).item(), rel=1e-6
    )


def test_images_of_one_caption_do_not_count_as_wrong_for_each_other() -> None:
    groups = torch.tensor([0, 0, 1, 2, 2, 2])
    same = (groups[:, None] == groups[None]).float()
    perfect = matching_loss(same * 100, groups)
    shares = same / same.sum(1, keepdim=True)
    entropy = -(shares * shares.clamp_min(1e-9).log()).sum(1).mean()
    assert perfect.item() == pytest.approx(entropy.item(), abs=1e-4), "no loss is below the entropy of equal shares"
    assert matching_loss(torch.eye(6) * 100, groups) > perfect


def test_images_and_texts_have_equal_say() -> None:
    groups = torch.tensor([0, 0, 1, 2, 3, 4])
    assert matching_loss(LOGITS, groups).item() == pytest.approx(matching_loss(LOGITS.t(), groups).item(), rel=1e-6)


def test_its_sizes_follow_tokenizer_and_images() -> None:
    tokenizer = clip_tokenizer(16)
    found = config(tokenizer, 32, 24, 16)
    assert (found.text_config.vocab_size, found.text_config.max_position_embeddings) == (len(tokenizer), 16)
    assert found.text_config.eos_token_id == tokenizer.eos_token_id
    assert found.vision_config.image_size // found.vision_config.patch_size == PATCHES
    assert found.projection_dim == found.text_config.projection_dim == found.vision_config.projection_dim == 24


def test_a_few_steps_bring_the_loss_below_chance_and_more_images_than_a_batch_are_no_need() -> None:
    generator = torch.Generator().manual_seed(0)
    colours = torch.tensor([[1.0, -1, -1], [-1, -1, 1]])
    pixels = colours.repeat(4, 1)[:, :, None, None].expand(8, 3, 16, 16) + 0.05 * torch.randn(
        8, 3, 16, 16, generator=generator
    )
    settings = build(BaseModelSettings, {"tiny": {"clip_steps": 12, "clip_width": 16}})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, loss = train_clip(pixels, ["red", "blue"] * 4, clip_tokenizer(16), settings)
    chance = torch.log(torch.tensor(8.0)).item()
    assert loss < 0.95 * chance
    assert not model.training
    assert 0 <= model.logit_scale.item() <= torch.log(torch.tensor(100.0)).item()
