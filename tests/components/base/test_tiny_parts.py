from __future__ import annotations

from platen.components.base.tiny_parts import new_scheduler
from tests.components.base.parts import random_parts


def test_every_level_of_the_autoencoder_but_the_last_halves_latents() -> None:
    assert random_parts().latent_size == 8
    assert random_parts(vae_channels=[8, 8]).latent_size == 16


def test_the_last_timestep_is_pure_noise() -> None:
    scheduler = new_scheduler()
    assert float(scheduler.alphas_cumprod[-1]) == 0
    scheduler.set_timesteps(4)
    assert int(scheduler.timesteps[0]) == 999
