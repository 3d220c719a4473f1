from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from scipy import stats

from platen.tasks.diffusion.objective import Objective, build_objective, logit_normal, mix
from platen.tasks.diffusion.settings import LogitNormal, ObjectiveSettings


def objective(**options: object) -> Objective:
    config: dict[str, Any] = dict(DDPMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear").config)
    chosen = ObjectiveSettings.model_validate({"min_snr_gamma": None, **options})
    return build_objective(chosen, config, seed=0, global_batch=8)


@pytest.mark.parametrize(
    "options", [{}, {"kind": "flow"}, {"logit_normal": {}, "offset_noise": 0.1}], ids=["v", "flow", "logit-normal"]
)
def test_noise_belongs_to_the_place_in_the_global_batch(options: dict[str, object]) -> None:
    latents = torch.zeros(8, 4, 8, 8)
    whole = objective(**options).noise(latents, 3, range(8))
    part = objective(**options).noise(latents[:3], 3, range(5, 8))
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


def test_captions_are_dropped_at_the_rate_that_is_set() -> None:
    chosen = objective(drop_caption=0.3)
    dropped = torch.cat([chosen.noise(torch.zeros(8, 1, 1, 1), step, range(8)).dropped for step in range(400)])
    assert dropped.float().mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.6), (-1.0, 2.0)])
def test_timesteps_have_the_density_of_the_paper(mean: float, std: float) -> None:
    """arXiv 2403.03206, section 3.1, integrated; a batch's own are spread evenly, so that few steps suffice."""
    chosen = objective(logit_normal={"mean": mean, "std": std})
    drawn = torch.cat([chosen._positions(step, range(8)) for step in range(200)]).sort().values
    edges = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    below = torch.searchsorted(drawn, edges) / len(drawn)
    centres = torch.linspace(1e-6, 1 - 1e-6, 200_001, dtype=torch.float64)
    density = stats.norm.pdf(torch.logit(centres), mean, std) / (centres * (1 - centres))
    cumulative = torch.cumulative_trapezoid(density, centres)
    expected = cumulative[torch.searchsorted(centres[1:], edges)]
    assert (below - expected).abs().max() < 0.01


def test_a_quantile_at_either_end_is_a_timestep() -> None:
    chosen = objective(logit_normal={"mean": 0, "std": 50})
    timesteps = torch.cat([chosen.noise(torch.zeros(8, 1, 1, 1), step, range(8)).timesteps for step in range(20)])
    assert (timesteps.min(), timesteps.max()) == (0, 999)
    assert logit_normal(torch.tensor([0.0]), LogitNormal()) == 0


def test_offset_noise_moves_a_channels_mean_and_is_to_be_predicted() -> None:
    chosen = objective(kind="flow", offset_noise=0.5)
    latents = torch.zeros(8, 4, 32, 32)
    noise = torch.cat([chosen.noise(latents, step, range(8)).target for step in range(20)])
    means = noise.mean(dim=(2, 3))
    assert means.std() == pytest.approx((0.5**2 + 1 / 32**2) ** 0.5, rel=0.1)
    assert (noise - means[..., None, None]).std() == pytest.approx(1, rel=0.01)


def test_offset_noise_leaves_the_rest_as_it_is() -> None:
    latents = torch.zeros(8, 4, 8, 8)
    plain, offset = (objective(kind="flow", offset_noise=rate).noise(latents, 0, range(8)) for rate in (0.0, 0.1))
    assert plain.timesteps.equal(offset.timesteps)
    assert plain.dropped.equal(offset.dropped)
    assert (offset.target - plain.target).std(dim=(2, 3)).max() < 1e-6


@pytest.mark.parametrize("shape", [(4, 64), (4, 2, 4, 8)], ids=["1-D", "video"])
def test_samples_and_loss_do_not_depend_on_the_shape_of_latents(shape: tuple[int, ...]) -> None:
    chosen = objective(kind="flow", offset_noise=0.5)
    images, others = (chosen.noise(torch.ones(8, *size), 0, range(8)) for size in ((4, 8, 8), shape))
    assert others.latents.equal(images.latents.view(8, *shape))
    assert others.target.equal(images.target.view(8, *shape))
    losses = [chosen.loss(torch.zeros_like(noised.target), noised) for noised in (images, others)]
    assert float(losses[1]) == pytest.approx(float(losses[0]), rel=1e-6)  # sums run in another order


def test_near_numbers_give_far_seeds() -> None:
    seeds = {mix(0, step, place) for step in range(50) for place in range(50)}
    assert len(seeds) == 2500
    assert mix(0, 1) != mix(1, 0)
