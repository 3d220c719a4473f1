from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler

from platen.tasks.diffusion.noise_schedule import Diffusion, timestep_weights

CONFIG: dict[str, Any] = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_a_position_is_a_timestep_of_the_schedule(kind: str) -> None:
    """Against diffusers' own forward process, and the paper's velocity (arXiv 2202.00512, appendix D)."""
    schedule = DDPMScheduler.from_config(CONFIG)
    latents, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    positions = torch.tensor([0.0, 0.25, 0.9999], dtype=torch.float64)
    noisy, timesteps, target, weight = Diffusion(CONFIG, kind, None).at(latents, noise, positions)
    assert timesteps.tolist() == [0, 250, 999]
    assert noisy.equal(schedule.add_noise(latents, noise, timesteps))
    alpha = schedule.alphas_cumprod[timesteps].sqrt().view(-1, 1, 1, 1)
    wanted = noise if kind == "epsilon" else alpha * noise - (1 - alpha**2).sqrt() * latents
    assert target.allclose(wanted, atol=1e-5)
    assert weight.equal(torch.ones(3))


@pytest.mark.parametrize("kind", ["epsilon", "v", "sample"])
@pytest.mark.parametrize("shape", [(2, 4, 64), (2, 4, 2, 4, 8)], ids=["1-D", "video"])
def test_latents_have_any_number_of_dimensions(kind: str, shape: tuple[int, ...]) -> None:
    latents, noise, positions = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([0.2, 0.9])
    process = Diffusion(CONFIG, kind, None)
    noisy, _, target, _ = process.at(latents, noise, positions)
    others = process.at(latents.view(shape), noise.view(shape), positions)
    assert others[0].equal(noisy.view(shape))
    assert others[2].equal(target.view(shape))


def test_weights_go_with_timesteps() -> None:
    chosen = Diffusion(CONFIG, "v", 5.0)
    *_, timesteps, _, weight = chosen.at(torch.zeros(2, 1, 1, 1), torch.zeros(2, 1, 1, 1), torch.tensor([0.1, 0.8]))
    assert weight.equal(chosen.weights[timesteps])


def test_min_snr_weights_are_the_paper_s() -> None:
    alphas = torch.tensor([0.99, 0.5, 0.1])
    snr = alphas / (1 - alphas)
    assert timestep_weights(alphas, "epsilon", 5.0).allclose(torch.tensor([5 / 99, 1.0, 1.0]))
    assert timestep_weights(alphas, "v", 5.0).allclose(snr.clamp(max=5) / (snr + 1))
    assert timestep_weights(alphas, "epsilon", None).equal(torch.ones(3))


def test_a_forced_kind_is_what_the_sampler_is_told() -> None:
    assert Diffusion({**CONFIG, "prediction_type": "epsilon"}, "v", None).scheduler["prediction_type"] == "v_prediction"
