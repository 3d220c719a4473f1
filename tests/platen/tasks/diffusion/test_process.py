"""The process of each kind of prediction, and the error of what is predicted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from platen.tasks.diffusion.flow import Flow
from platen.tasks.diffusion.noise_schedule import Diffusion
from platen.tasks.diffusion.process import build_process, squared_error

CONFIG = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "scaled_linear"}


@pytest.mark.parametrize("kind", ["epsilon", "v", "sample", "flow"])
@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 3, 8, 8)], ids=["images", "with_frames"])
def test_without_noise_latents_stay_and_with_noise_alone_nothing_is_left_of_them(
    kind: str, shape: tuple[int, ...]
) -> None:
    process = build_process(kind, CONFIG)
    latents, noise = torch.randn(2, *shape), torch.randn(2, *shape)
    noisy, timesteps, target, weight = process.at(latents, noise, torch.tensor([0.0, 1.0]))
    assert process.kind == kind
    assert torch.allclose(noisy[0], latents[0], atol=0.1)
    assert functional.cosine_similarity(noisy[1].flatten(), noise[1].flatten(), dim=0) > 0.99
    assert noisy.shape == target.shape == latents.shape
    assert timesteps.shape == weight.shape == (2,)
    assert 0 <= timesteps[0] < timesteps[1] <= 1000


def test_flow_and_diffusion_are_told_apart() -> None:
    assert isinstance(build_process("flow", CONFIG), Flow)
    assert isinstance(build_process("v", CONFIG, min_snr_gamma=5.0), Diffusion)


def test_the_error_is_torch_s_own_sample_by_sample_in_fp32() -> None:
    prediction, target = torch.randn(3, 4, 5, 6).bfloat16(), torch.randn(3, 4, 5, 6)
    found = squared_error(prediction, target)
    wanted = [functional.mse_loss(one.float(), other) for one, other in zip(prediction, target, strict=True)]
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.stack(wanted))
