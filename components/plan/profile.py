"""Derive parameters, arithmetic and activations of a step from a network's configuration alone, on the meta device."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.core.errors import InputError
from platen.families.base import Conditions
from platen.families.registry import families, family_of_network

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from platen.components.plan.live_bytes import LiveBytes, Run

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
    """Read the configuration of a network.

    Args:
        path: A config.json, or a diffusers folder.

    Raises:
        InputError: There is none, or it is of no family's network.
    """
    file = network_file(path)
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{file}: not a network's configuration: {error}") from None
    family_of_network(config, file)
    return dict(config)


def network_file(path: Path) -> Path:
    """Find the network's config.json: the file itself, or a diffusers folder's."""
    if not path.is_dir():
        return path
    files = {family.network: path / family.network / "config.json" for family in families()}
    return next((file for file in files.values() if file.is_file()), next(iter(files.values())))


def profile(config: dict[str, Any], side: int, tokens: int, precision: str) -> ModelFacts:
    """Build a model without weights and follow one step of it, with and without checkpointing.

    Args:
        config: Of the network.
        side: Height and width of the latents.
        tokens: Length of the captions.
        precision: fp32, bf16 or fp16.

    Raises:
        InputError: The network is of no known family, or wants latents of another size.
    """
    import torch

    from platen.components.plan.live_bytes import MARK
    from platen.components.plan.shapes import Shapes

    family = family_of_network(config, Path("config.json"))
    family.check_size(config, (side, side))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    with torch.device("meta"):
        denoiser = family.build_network(config)
        one = family.example(denoiser, 1, (side, side), tokens)
        step = family.example(denoiser, MARK, (side, side), tokens)
    torch.nn.Module.to(denoiser.network, dtype)  # diffusers' own method warns of weights that are not loaded here
    shapes = Shapes()
    plain = _step(denoiser, step, shapes)
    denoiser.network.enable_gradient_checkpointing()
    return ModelFacts(
        parameters=sum(parameter.numel() for parameter in denoiser.parameters()),
        largest_block=_largest_block(denoiser, family.leaf_modules),
        latent_side=side,
        sample_bytes=BYTES["fp32"] * (one[0].numel() + sum(tensor.numel() for tensor in one[2].values())),
        plain=plain,
        checkpointed=_step(denoiser, step, shapes),
    )


def _largest_block(denoiser: nn.Module, leaf_modules: Sequence[str]) -> int:
    blocks = [module for module in denoiser.modules() if type(module).__name__ in leaf_modules]
    single = [parameter.numel() for parameter in denoiser.parameters()]
    return max([*single, *(sum(parameter.numel() for parameter in block.parameters()) for block in blocks)])


def _step(denoiser: Any, example: tuple[Tensor, Tensor, Conditions], run: Run) -> Activations:
    """Follow a forward and backward pass; it costs nothing, as nothing is computed."""
    from platen.components.plan.live_bytes import MARK

    hooks = [parameter.register_post_accumulate_grad_hook(_drop_gradient) for parameter in denoiser.parameters()]
    denoiser.train()
    live, flops = _follow(denoiser, example, run)
    if live.one_each:  # a network that is given its samples one by one
        live, flops = _follow(denoiser, example, run, live.one_each)
    for hook in hooks:
        hook.remove()
    return Activations(tuple(live.peaks), flops // MARK)


def _follow(
    denoiser: Any, example: tuple[Tensor, Tensor, Conditions], run: Run, one_each: Container[int] = ()
) -> tuple[LiveBytes, int]:
    """Return the bytes that lived in a pass, and its floating-point operations."""
    import torch

    from platen.components.plan.attention import Counted
    from platen.components.plan.live_bytes import MARK, LiveBytes

    dtype = next(denoiser.parameters()).dtype
    noisy, timesteps, conditions = example
    with LiveBytes(denoiser.parameters(), MARK, run, one_each) as live, Counted() as counted:
        latents = torch.empty_like(noisy, dtype=dtype)
        given = {name: torch.empty_like(value, dtype=_in_precision(value, dtype)) for name, value in conditions.items()}
        prediction = denoiser(latents, torch.empty_like(timesteps), given)
        target = torch.empty_like(noisy)  # held to the end, as train holds it
        torch.nn.functional.mse_loss(prediction.float(), target).backward()
    return live, counted.flops


def _in_precision(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    """Numbers are computed with in the model's precision; masks and ids stay what they are."""
    return dtype if tensor.is_floating_point() else tensor.dtype


def _drop_gradient(parameter: torch.Tensor) -> None:
    """A weight's gradient is another part of memory: it is gone as soon as it is whole."""
    parameter.grad = None
