"""The tiny autoencoder, by what its definitions promise; that it learns, the demo shows."""

from __future__ import annotations

import pytest
import torch

from platen.components.base.autoencoder import (
    LATENT_CHANNELS,
    latent_deviation,
    new_autoencoder,
    reconstruction_error,
    reconstruction_loss,
    train_autoencoder,
)
from platen.components.base.settings import BaseModelSettings
from platen.core.settings import build

pytestmark = pytest.mark.usefixtures("one_thread")
PIXELS = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
SMALL = build(BaseModelSettings, {"tiny": {"vae_steps": 2, "vae_channels": [8, 8]}})


def test_its_posterior_begins_narrow() -> None:
    torch.manual_seed(0)
    vae = new_autoencoder((8, 8), 16)
    with torch.no_grad():
        posterior = vae.encode(PIXELS[:2]).latent_dist
    assert posterior.mean.shape == (2, LATENT_CHANNELS, 8, 8)
    assert posterior.std.mean().item() == pytest.approx(torch.exp(torch.tensor(-3.0)).item(), rel=0.3)


def test_the_error_is_in_steps_of_a_byte_whatever_the_batches_are() -> None:
    torch.manual_seed(0)
    vae = new_autoencoder((8, 8), 16)
    with torch.no_grad():
        decoded = vae.decode(vae.encode(PIXELS).latent_dist.mean).sample
    wanted = ((decoded - PIXELS) * 127.5).abs().mean().item()
    assert reconstruction_error(vae, PIXELS) == pytest.approx(wanted, rel=1e-4)
    assert latent_deviation(vae, PIXELS) > 0


def test_the_kl_term_is_a_latent_number_s_and_weighed() -> None:
    torch.manual_seed(0)
    vae = new_autoencoder((8, 8), 16)
    with torch.no_grad():
        plain, weighed = (
            reconstruction_loss(vae, PIXELS, weight, torch.Generator().manual_seed(1)) for weight in (0.0, 2.0)
        )
        posterior = vae.encode(PIXELS).latent_dist
        numbers = LATENT_CHANNELS * 8 * 8
        theirs = torch.distributions.kl_divergence(
            torch.distributions.Normal(posterior.mean, posterior.std), torch.distributions.Normal(0.0, 1.0)
        )
    assert (weighed - plain).item() == pytest.approx(2 * theirs.sum((1, 2, 3)).mean().item() / numbers, rel=1e-3)


def test_what_comes_out_is_frozen_and_its_latents_are_of_unit_size() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae, error = train_autoencoder(PIXELS, SMALL)
    assert not any(parameter.requires_grad for parameter in vae.parameters())
    assert latent_deviation(vae, PIXELS) * vae.config["scaling_factor"] == pytest.approx(1)
    assert 0 < error < 255
