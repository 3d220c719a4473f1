"""What a UNet's configuration alone says: parameters, arithmetic and activations of a step, on the meta device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from platen.components.plan.live_bytes import Run

BLOCKS = ("ResnetBlock2D", "Transformer2DModel")  # what training has ZeRO-3 gather at once
BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Activations:
    """What a forward and backward pass holds beyond parameters and their gradients.

    Attributes:
        peaks: (bytes a sample, bytes whatever the batch) at each moment that can be the highest.
        flops: Floating-point operations a sample, those of recomputation among them.
    """

    peaks: tuple[tuple[int, int], ...]
    flops: int

    def at(self, batch: int) -> int:
        """Bytes at the highest moment of a batch."""
        return max(scaled * batch + fixed for scaled, fixed in self.peaks)


@dataclass(frozen=True)
class ModelFacts:
    """A model as the planner needs it.

    Attributes:
        parameters: Numbers to be trained.
        largest_block: Numbers in the largest part that ZeRO-3 gathers at once.
        latent_side: Height and width of the latents.
        sample_bytes: Latents and text of one sample, as encode stores them by default (fp32).
        plain: A step without gradient checkpointing.
        checkpointed: A step with it.
    """

    parameters: int
    largest_block: int
    latent_side: int
    sample_bytes: int
    plain: Activations
    checkpointed: Activations

    def activations(self, *, checkpointing: bool) -> Activations:
        """Those of one of the two kinds of step."""
        return self.checkpointed if checkpointing else self.plain

    def summary(self) -> dict[str, Any]:
        """For the plan file."""
        return asdict(self)

    @staticmethod
    def from_summary(told: Mapping[str, Any]) -> ModelFacts:
        """From what `summary` said, also by way of JSON."""
        steps = {
            name: Activations(tuple((scaled, fixed) for scaled, fixed in told[name]["peaks"]), told[name]["flops"])
            for name in ("plain", "checkpointed")
        }
        return ModelFacts(**{**told, **steps})


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a UNet.

    Args:
        path: A config.json, or a diffusers folder with unet/config.json.

    Raises:
        InputError: There is none, or it is another kind of model's.
    """
    file = path / "unet" / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{file}: not a UNet's configuration: {error}") from None
    found = config.get("_class_name") if isinstance(config, dict) else None
    if found != "UNet2DConditionModel":
        raise InputError(f"{file}: describes {found}. Accepted: a diffusers config.json of a UNet2DConditionModel")
    return dict(config)


def profile(config: dict[str, Any], side: int, tokens: int, precision: str) -> ModelFacts:
    """Build a model without weights and follow one step of it, with and without checkpointing.

    Args:
        config: Of the UNet.
        side: Height and width of the latents.
        tokens: Length of the captions.
        precision: fp32, bf16 or fp16.

    Raises:
        InputError: The UNet wants other inputs than latents, timestep and text, or latents of another size.
    """
    import torch
    from diffusers import UNet2DConditionModel

    from platen.components.plan.shapes import Shapes

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    torch.nn.Module.to(unet, dtype)  # diffusers' own method warns of weights that are not loaded here
    _check(unet, side)
    shapes = Shapes()
    plain = _step(unet, side, tokens, shapes)
    unet.enable_gradient_checkpointing()
    width = unet.config.cross_attention_dim
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in unet.parameters()),
        largest_block=_largest_block(unet),
        latent_side=side,
        sample_bytes=BYTES["fp32"] * (unet.config.in_channels * side**2 + tokens * width),
        plain=plain,
        checkpointed=_step(unet, side, tokens, shapes),
    )


def _check(unet: Any, side: int) -> None:
    if not isinstance(unet.config.cross_attention_dim, int):
        raise InputError(f"cross_attention_dim {unet.config.cross_attention_dim}: accepted: one number for all blocks")
    if unet.config.addition_embed_type not in (None, "text"):
        raise InputError(f"addition_embed_type {unet.config.addition_embed_type!r}: accepted: null or text")
    shrinks = 2 ** (len(unet.config.block_out_channels) - 1)
    if side % shrinks:
        raise InputError(
            f"latents of {side} x {side}: accepted: multiples of {shrinks}, which this UNet halves down to 1"
        )


def _largest_block(unet: nn.Module) -> int:
    blocks = [module for module in unet.modules() if type(module).__name__ in BLOCKS]
    single = [parameter.numel() for parameter in unet.parameters()]
    return max([*single, *(sum(parameter.numel() for parameter in block.parameters()) for block in blocks)])


def _step(unet: Any, side: int, tokens: int, run: Run) -> Activations:
    """A forward and backward pass of a batch that costs nothing, as nothing is computed."""
    import torch

    from platen.components.plan.attention import Counted
    from platen.components.plan.live_bytes import MARK, LiveBytes

    hooks = [parameter.register_post_accumulate_grad_hook(_drop_gradient) for parameter in unet.parameters()]
    unet.train()
    dtype = next(unet.parameters()).dtype
    with LiveBytes(unet.parameters(), MARK, run) as live, Counted() as counted:
        latents = torch.empty(MARK, unet.config.in_channels, side, side, dtype=dtype, device="meta")
        text = torch.empty(MARK, tokens, unet.config.cross_attention_dim, dtype=dtype, device="meta")
        prediction = unet(latents, torch.empty(MARK, device="meta"), text, return_dict=False)[0]
        target = torch.empty(MARK, unet.config.out_channels, side, side, device="meta")
        torch.nn.functional.mse_loss(prediction.float(), target).backward()
    for hook in hooks:
        hook.remove()
    return Activations(tuple(live.peaks), counted.flops // MARK)


def _drop_gradient(parameter: torch.Tensor) -> None:
    """A weight's gradient is another part of memory: it is gone as soon as it is whole."""
    parameter.grad = None
