"""Small parts whose every figure counts: one that is left at its default would hide a fault."""

from __future__ import annotations

import pytest
import torch

from platen.families.tiny_parts import autoencoder, clip_config, flow_scheduler, flux2_autoencoder, t5_config
from platen.families.tiny_tokenizers import clip_tokenizer, t5_tokenizer


@pytest.mark.parametrize("make", [clip_config, t5_config])
def test_a_text_encoder_has_a_place_for_each_token_and_no_other(make: object) -> None:
    tokenizer = clip_tokenizer(20) if make is clip_config else t5_tokenizer(20)
    config = make(tokenizer)  # type: ignore[operator]
    assert config.vocab_size == len(tokenizer) > max(tokenizer(["zebra"]).input_ids[0])
    assert (config.pad_token_id, config.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)


def test_an_autoencoder_has_eight_pixels_per_latent_and_its_options() -> None:
    made = autoencoder(16, scaling_factor=0.5)
    with torch.no_grad():
        latents = made.encode(torch.zeros(1, 3, 32, 16)).latent_dist.mode()
    assert latents.shape == (1, 16, 4, 2)
    assert made.config["scaling_factor"] == 0.5


def test_running_statistics_change_what_they_normalize() -> None:
    norm = flux2_autoencoder().bn
    assert norm.running_mean.abs().min() > 0
    assert not torch.allclose(norm.running_var, torch.ones(()))
    assert norm.running_var.min() > 0


def test_the_scheduler_shifts_by_the_size_of_images() -> None:
    sigmas = []
    for shift in (0.5, 1.15):
        scheduler = flow_scheduler()
        scheduler.set_timesteps(4, mu=shift)
        sigmas.append(scheduler.sigmas)
    assert not torch.equal(*sigmas)
