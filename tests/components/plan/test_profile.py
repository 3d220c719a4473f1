"""What the meta device says, against what PyTorch says of the same model with weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from platen.components.plan.live_bytes import LiveBytes
from platen.components.plan.profile import profile, read_config
from platen.core.errors import InputError
from tests.components.plan.conftest import TINY


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel.from_config(TINY)


def measured_peak(unet: UNet2DConditionModel, batch: int, side: int, tokens: int, *, checkpointing: bool) -> int:
    unet.train()
    if checkpointing:
        unet.enable_gradient_checkpointing()
    else:
        unet.disable_gradient_checkpointing()
    hooks = [
        parameter.register_post_accumulate_grad_hook(lambda parameter: setattr(parameter, "grad", None))
        for parameter in unet.parameters()
    ]
    with LiveBytes(unet.parameters()) as live:
        latents, text = torch.randn(batch, 4, side, side), torch.randn(batch, tokens, 32)
        prediction = unet(latents, torch.zeros(batch), text, return_dict=False)[0]
        torch.nn.functional.mse_loss(prediction.float(), torch.randn(batch, 4, side, side)).backward()
    for hook in hooks:
        hook.remove()
    return live.peak


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("batch", [1, 4])
def test_activations_are_what_a_real_pass_holds(unet: UNet2DConditionModel, batch: int, checkpointing: bool) -> None:
    facts = profile(TINY, 16, 8, "fp32")
    predicted = facts.activations(checkpointing=checkpointing).at(batch)
    assert predicted == pytest.approx(measured_peak(unet, batch, 16, 8, checkpointing=checkpointing), rel=0.05)


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
