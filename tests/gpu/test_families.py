"""Each family on a GPU: what its network predicts there is what it predicts on CPUs, and images come out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from platen.core.devices import fixed_threads
from platen.families.base import Family
from platen.families.generation import GenerationPipeline
from platen.families.registry import families

pytestmark = pytest.mark.gpu

SIDE, TOKENS = 32, 8
TOLERANCE = 1e-3  # fp32, with other kernels and another order of sums


@pytest.fixture(scope="module", params=families(), ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(scope="module")
def folder(family: Family, gpu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(family.name) / "model"
    family.tiny(out, seed=3)
    return out


def test_a_gpu_predicts_what_a_cpu_does(family: Family, folder: Path, gpu: str) -> None:
    denoiser = family.load(folder).eval()
    noisy, _, conditions = family.example(denoiser, 2, (SIDE // 2, SIDE // 2), TOKENS)
    noisy = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([900.0, 20.0])
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        expected = denoiser(noisy, timesteps, conditions)
        moved = {name: tensor.to(gpu) for name, tensor in conditions.items()}
        found = denoiser.to(gpu)(noisy.to(gpu), timesteps.to(gpu), moved)
    assert found.device.type == gpu
    assert torch.allclose(found.cpu(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_same_seed_gives_the_same_image_in_bf16(folder: Path, gpu: str) -> None:
    with fixed_threads(1):
        pipeline = GenerationPipeline.load(folder, gpu, "bfloat16")
        images = [pipeline.generate(["a red circle"], [5], SIDE, SIDE, 2, 2.0)[0] for _ in range(2)]
    assert images[0].size == (SIDE, SIDE)
    assert images[0].tobytes() == images[1].tobytes()
