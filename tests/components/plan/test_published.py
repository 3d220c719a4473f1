"""The forecast against figures that others have published (docs/planning.md says of which there is detail enough)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platen.components.plan.memory import Layout, predict
from platen.components.plan.prices import read_prices
from platen.components.plan.profile import Activations, ModelFacts, profile
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
    ("pixels", "published"), [(256, 137.5), (512, 36.2)], ids=["sd2_256_on_8_a100", "sd2_512_on_8_a100"]
)
def test_rate_of_sd2_on_eight_a100(pixels: int, published: float) -> None:
    """mosaicml/diffusion: images a second and GPU, precomputed latents, U-Net alone."""
    table = read_prices(None)
    offer = next(offer for offer in table.offers if offer.instance == "p4d.24xlarge")
    model = profile(SD2, pixels // 8, 77, "bf16")
    took = step(model, Layout(1, 8, 8), table.gpus[offer.gpu], offer, 32, PlanSettings(read_gb_s=1000))
    assert 8 * 32 / took.seconds == pytest.approx(published, rel=0.12)


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
