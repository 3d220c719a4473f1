"""The forecast against figures that others have published (docs/planning.md says of which there is detail enough)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platen.components.plan.followed import followed_profile
from platen.components.plan.memory import Layout, predict
from platen.components.plan.prices import read_prices
from platen.components.plan.profile import Activations, ModelFacts
from platen.components.plan.settings import PlanSettings
from platen.components.plan.speed import step

SD2 = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
}
GIB = 2**30
NOTHING = Activations(((0, 0),), 0)


@pytest.mark.parametrize(
    ("pixels", "gpus", "published", "off"),
    [
        (256, 8, 1100, 0.09),
        (256, 32, 4080, 0.18),
        (256, 128, 11_600, 0.17),
        (512, 8, 290, -0.07),
        (512, 32, 1195, -0.10),
        (512, 128, 4590, -0.06),
    ],
)
def test_rate_of_sd2(pixels: int, gpus: int, published: float, off: float) -> None:
    """mosaicml/diffusion: images a second, precomputed latents, U-Net alone; off as docs/planning.md has it."""
    table = read_prices(None)
    offer = next(offer for offer in table.offers if offer.instance == "p4d.24xlarge")
    model = known(pixels)
    took = step(model, Layout(1, gpus, 8), table.gpus[offer.gpu], offer, 2048 // (gpus * 8), PlanSettings())
    assert 2048 / took.seconds / published - 1 == pytest.approx(off, abs=0.006)


def known(pixels: int) -> ModelFacts:
    """The profile of Stable Diffusion 2 that comes along."""
    found = followed_profile(SD2, pixels // 8, 77, "bf16")
    assert found is not None
    return found


def model_of(parameters: int) -> ModelFacts:
    return ModelFacts(parameters, parameters // 40, 64, 0, NOTHING, NOTHING)


def test_thirteen_billion_on_one_gpu_with_an_offloaded_optimizer() -> None:
    """DeepSpeed, 2020-09-09: a V100 with 32 GB holds it; not without offloading, and not twice as large."""
    layout = Layout(2, 1, 1, offload="optimizer", precision="fp16", overlap=False)
    assert predict(model_of(13_000_000_000), layout).device < 32 * GIB
    assert predict(model_of(13_000_000_000), replace(layout, offload="none")).device > 32 * GIB
    assert predict(model_of(26_000_000_000), layout).device > 32 * GIB


def test_forty_billion_on_one_gpu_with_everything_offloaded() -> None:
    """DeepSpeed, 2021-03-08: a V100 with 32 GB, and 1.5 TB of the host's memory."""
    memory = predict(model_of(40_000_000_000), Layout(3, 1, 1, offload="all", precision="fp16"))
    assert memory.device < 32 * GIB
    assert memory.host < 1.5e12


def test_the_estimator_of_deepspeed_counts_less() -> None:
    """Flux, 11.9 billion, 8 GPUs: 25.4 GiB by its formula, which leaves out AdamW's temporaries, buckets and EMA."""
    memory = predict(model_of(11_900_000_000), Layout(3, 8, 1))
    counted = memory.parameters + memory.gradients + memory.optimizer + 4 * 11_900_000_000 // 8
    assert counted == pytest.approx(25.4 * GIB, rel=0.12)
    assert memory.device > 25.4 * GIB
