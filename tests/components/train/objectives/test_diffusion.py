from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler

from platen.components.train.objectives.diffusion import Objective, mix, timestep_weights
from platen.components.train.objectives.settings import ObjectiveSettings
from platen.errors import InputError


def objective(**options: object) -> Objective:
    schedule = DDPMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear")
    chosen = ObjectiveSettings.model_validate({"min_snr_gamma": None, **options})
    return Objective(chosen, schedule, seed=0, global_batch=8)


def test_noise_belongs_to_the_place_in_the_global_batch() -> None:
    latents = torch.zeros(8, 4, 8, 8)
    whole = objective().noise(latents, 3, range(8))
    part = objective().noise(latents[:3], 3, range(5, 8))
    assert part.latents.equal(whole.latents[5:])
    assert part.timesteps.equal(whole.timesteps[5:])
    assert part.dropped.equal(whole.dropped[5:])


def test_steps_draw_differently() -> None:
    latents = torch.zeros(8, 4, 8, 8)
    assert not objective().noise(latents, 0, range(8)).latents.equal(objective().noise(latents, 1, range(8)).latents)


def test_a_batch_covers_all_timesteps_evenly() -> None:
    timesteps = objective().noise(torch.zeros(8, 4, 8, 8), 0, range(8)).timesteps
    assert [int(timestep) // 125 for timestep in timesteps] == list(range(8))


def test_the_true_velocity_costs_nothing() -> None:
    chosen = objective()
    noised = chosen.noise(torch.randn(8, 4, 8, 8), 0, range(8))
    assert chosen.loss(noised.target, noised) == 0
    assert chosen.loss(noised.target + 2, noised) == pytest.approx(4)


def test_min_snr_weights_are_the_paper_s() -> None:
    alphas = torch.tensor([0.99, 0.5, 0.1])
    snr = alphas / (1 - alphas)
    assert timestep_weights(alphas, "epsilon", 5.0).allclose(torch.tensor([5 / 99, 1.0, 1.0]))
    assert timestep_weights(alphas, "v_prediction", 5.0).allclose(snr.clamp(max=5) / (snr + 1))
    assert timestep_weights(alphas, "epsilon", None).equal(torch.ones(3))


def test_captions_are_dropped_at_the_rate_that_is_set() -> None:
    chosen = objective(drop_caption=0.3)
    dropped = torch.cat([chosen.noise(torch.zeros(8, 1, 1, 1), step, range(8)).dropped for step in range(400)])
    assert dropped.float().mean() == pytest.approx(0.3, abs=0.03)


def test_another_prediction_type_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"'sample'. Accepted: epsilon, v_prediction"):
        Objective(ObjectiveSettings(), DDPMScheduler(prediction_type="sample"), 0, 8)


def test_near_numbers_give_far_seeds() -> None:
    seeds = {mix(0, step, place) for step in range(50) for place in range(50)}
    assert len(seeds) == 2500
    assert mix(0, 1) != mix(1, 0)
