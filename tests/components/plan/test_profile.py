"""What the meta device says, against what PyTorch says of the same model with weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from bench.small_networks import NETWORKS
from platen.components.plan.live_bytes import LiveBytes
from platen.components.plan.profile import profile, read_config
from platen.core.errors import InputError
from platen.families.registry import family_of_network
from tests.components.plan.conftest import TINY


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel.from_config(TINY)


def measured_peak(
    config: Mapping[str, Any], batch: int, side: int, tokens: int, *, checkpointing: bool, precision: str = "fp32"
) -> int:
    """The most bytes beyond weights and their gradients that lived in a real pass."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    family = family_of_network(config, Path("config.json"))
    denoiser = family.build_network(config)
    torch.nn.Module.to(denoiser, dtype).train()
    if checkpointing:
        denoiser.network.enable_gradient_checkpointing()
    for parameter in denoiser.parameters():
        parameter.register_post_accumulate_grad_hook(lambda parameter: setattr(parameter, "grad", None))
    noisy, timesteps, conditions = family.example(denoiser, batch, (side, side), tokens)
    with LiveBytes(denoiser.parameters()) as live:
        given = {
            name: value.to(dtype if value.is_floating_point() else value.dtype, copy=True)
            for name, value in conditions.items()
        }
        prediction = denoiser(torch.randn(noisy.shape, dtype=dtype), torch.zeros_like(timesteps), given)
        torch.nn.functional.mse_loss(prediction.float(), torch.randn(noisy.shape)).backward()
    return live.peak


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("batch", [1, 4])
def test_activations_are_what_a_real_pass_holds(batch: int, checkpointing: bool) -> None:
    facts = profile(TINY, 16, 8, "fp32")
    predicted = facts.activations(checkpointing=checkpointing).at(batch)
    assert predicted == pytest.approx(measured_peak(TINY, batch, 16, 8, checkpointing=checkpointing), rel=0.05)


@pytest.mark.soak("those of Stable Diffusion are compared in CI, and what lists of samples take in test_live_bytes")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_activations_of_each_family_are_what_a_real_pass_holds(name: str, precision: str) -> None:
    facts = profile(NETWORKS[name], 16, 16, precision)
    for checkpointing in (False, True):
        predicted = facts.activations(checkpointing=checkpointing).at(8)
        measured = measured_peak(NETWORKS[name], 8, 16, 16, checkpointing=checkpointing, precision=precision)
        print(f"{name}, {precision}, checkpointing {checkpointing}: {predicted / measured - 1:+.1%}")  # noqa: T201
        assert 0.98 * measured < predicted < 1.1 * measured


def test_parameters_and_arithmetic(unet: UNet2DConditionModel) -> None:
    facts = profile(TINY, 16, 8, "fp32")
    assert facts.parameters == sum(parameter.numel() for parameter in unet.parameters())
    unet.disable_gradient_checkpointing()
    meta = UNet2DConditionModel.from_config(TINY).to("meta")  # where attention is plain matrix products
    with FlopCounterMode(display=False) as counter:
        inputs = torch.empty(1, 4, 16, 16, device="meta"), torch.empty(1, device="meta")
        meta(*inputs, torch.empty(1, 8, 32, device="meta"))[0].sum().backward()
    assert facts.plain.flops == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert facts.plain.flops < facts.checkpointed.flops < 4 / 3 * facts.plain.flops


def test_attention_is_put_back() -> None:
    before = torch.nn.functional.scaled_dot_product_attention
    profile(TINY, 8, 8, "bf16")
    assert torch.nn.functional.scaled_dot_product_attention is before


def test_other_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vae.json"
    path.write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    with pytest.raises(InputError, match=r"vae.json: describes AutoencoderKL, .* Accepted: .*UNet2DConditionModel"):
        read_config(path)
    with pytest.raises(InputError, match=r"gone.json: not a network's configuration"):
        read_config(tmp_path / "gone.json")
    with pytest.raises(InputError, match=r"latents of 9 x 9: accepted: multiples of 2"):
        profile(TINY, 9, 8, "bf16")
