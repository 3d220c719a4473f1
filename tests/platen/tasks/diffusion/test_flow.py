from __future__ import annotations

import json
import math
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from platen.tasks.diffusion.flow import Flow, matching, shifted

BETAS: dict[str, Any] = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def saved(scheduler: FlowMatchEulerDiscreteScheduler) -> dict[str, Any]:
    return dict(json.loads(scheduler.to_json_string()))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_the_way_to_noise_is_diffusers(shift: float) -> None:
    """Noise levels, timesteps and noisy latents are FlowMatchEulerDiscreteScheduler's, wherever both have one."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    latents, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    positions = torch.tensor([0.001, 0.5, 1.0], dtype=torch.float64)
    noisy, timesteps, target, weight = Flow(saved(scheduler), None).at(latents, noise, positions)
    theirs = scheduler.timesteps[[999, 500, 0]]
    assert timesteps.allclose(theirs)
    assert noisy.allclose(scheduler.scale_noise(latents, theirs, noise), atol=1e-6)
    assert target.equal(noise - latents)
    assert weight.equal(torch.ones(3))


def test_a_shift_by_resolution_is_left_to_the_sampler() -> None:
    """As in diffusers: such a scheduler's own noise levels are not shifted, whatever its `shift` says."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    process = Flow(saved(scheduler), None)
    _, timesteps, *_ = process.at(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([0.25, 0.5]))
    assert timesteps.tolist() == scheduler.timesteps[[750, 500]].tolist() == [250, 500]
    assert process.scheduler == saved(scheduler)


def test_a_scheduler_that_names_no_shift_has_none() -> None:
    for config in ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, {"prediction_type": "flow_prediction"}):
        process = Flow(config, None)
        assert (process.shift, process.steps, process.scheduler) == (1.0, 1000, config)
        assert Flow(config, 3.0).shift == 3.0


@pytest.mark.parametrize("shape", [(2, 4, 64), (2, 4, 2, 4, 8)], ids=["1-D", "video"])
def test_latents_have_any_number_of_dimensions(shape: tuple[int, ...]) -> None:
    latents, noise, positions = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([0.2, 0.9])
    process = Flow(saved(FlowMatchEulerDiscreteScheduler()), None)
    noisy, _, target, _ = process.at(latents, noise, positions)
    others = process.at(latents.view(shape), noise.view(shape), positions)
    assert others[0].equal(noisy.view(shape))
    assert others[2].equal(target.view(shape))


def test_the_shift_is_the_paper_s() -> None:
    """arXiv 2403.03206, equation 23: √(m/n) t / (1 + (√(m/n) - 1) t), from n to m pixels."""
    root = math.sqrt(1024**2 / 512**2)
    sigmas = torch.linspace(0, 1, 11)
    assert shifted(sigmas, root).allclose(root * sigmas / (1 + (root - 1) * sigmas))
    assert shifted(sigmas, 1.0).equal(sigmas)


def sample(config: dict[str, Any], steps: int, spread: float, mean: float) -> Tensor:
    """Samples from the scheduler of an export, the model being the true velocity of normal data."""
    scheduler: Any = getattr(diffusers, config["_class_name"]).from_config(config)
    scheduler.set_timesteps(steps)
    latents = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    for timestep in scheduler.timesteps:
        sigma = float(timestep) / 1000
        variance = (1 - sigma) ** 2 * spread**2 + sigma**2
        off = latents - (1 - sigma) * mean
        clean = mean + (1 - sigma) * spread**2 / variance * off
        latents = scheduler.step(sigma / variance * off - clean, timestep, latents).prev_sample
    return latents


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_what_is_exported_samples_the_data(shift: float) -> None:
    found = sample(matching(BETAS, shift), 50, spread=0.5, mean=2.0)
    assert found.mean() == pytest.approx(2.0, abs=0.03)
    assert found.std() == pytest.approx(0.5, abs=0.03)


def test_the_exported_solver_is_one_that_diffusers_reads() -> None:
    config = matching(BETAS, 3.0)
    read = DPMSolverMultistepScheduler.from_config(config)
    assert config["_class_name"] == "DPMSolverMultistepScheduler"
    assert (read.config.prediction_type, read.config.flow_shift) == ("flow_prediction", 3.0)


def test_a_flow_of_ones_own_is_kept_but_for_a_shift_that_is_set() -> None:
    own = saved(FlowMatchEulerDiscreteScheduler(shift=2.0, use_dynamic_shifting=True))
    assert matching(own, None) == own
    assert matching(own, 3.0) == {**own, "shift": 3.0, "use_dynamic_shifting": False}
    assert matching(matching(BETAS, 1.0), 3.0) == matching(BETAS, 3.0) | {"use_dynamic_shifting": False}


@pytest.mark.parametrize(
    ("own", "shift", "wanted"),
    [
        ({"shift": 2.0}, None, 2.0),
        ({"shift": 2.0}, 3.0, 3.0),
        ({"shift": 2.0, "use_dynamic_shifting": True}, None, 1.0),
    ],
)
def test_a_pipeline_that_cannot_use_flow_match_gets_a_solver(
    own: dict[str, Any], shift: float | None, wanted: float
) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(**own)
    assert not hasattr(scheduler, "scale_model_input")  # why Stable Diffusion's pipelines cannot
    process = Flow(saved(scheduler), shift, flow_match=False)
    read: Any = DPMSolverMultistepScheduler.from_config(process.scheduler)
    assert process.scheduler["_class_name"] == "DPMSolverMultistepScheduler"
    assert hasattr(read, "scale_model_input")
    assert (read.config.prediction_type, read.config.flow_shift, process.shift) == ("flow_prediction", wanted, wanted)


def test_a_solver_that_samples_a_flow_is_kept_without_flow_match_too() -> None:
    own = matching(BETAS, 2.0)
    assert matching(own, None, flow_match=False) == own
