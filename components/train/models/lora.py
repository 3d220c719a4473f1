"""Low-rank adapters (LoRA, arXiv 2106.09685): what is trained in place of the network's own weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig
from torch import nn

from platen.components.train.models.settings import LoraSettings
from platen.core.errors import SettingsError
from platen.families.base import Denoiser, Family

FOLDER = "lora"  # of an exported model; the file in it has the name that diffusers looks for


def add_adapters(model: Denoiser, family: Family, settings: LoraSettings, seed: int) -> None:
    """Freeze a model, its weights loaded, and put adapters beside the network's layers, which change nothing yet.

    They are made whole on every rank, alike; DeepSpeed splits them with the rest.

    Raises:
        SettingsError: A target is the name of no layer.
    """
    network: Any = model.network
    targets = settings.targets or family.lora_targets
    check_targets(network, targets)
    model.requires_grad_(False)
    torch.manual_seed(seed)
    network.add_adapter(LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=list(targets)))


def check_targets(network: nn.Module, targets: Sequence[str]) -> None:
    """Raise SettingsError for a target that no layer's name ends with; peft passes over it where another has one."""
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            names = sorted({name for layer in layers if not (name := layer.rpartition(".")[2]).isdigit()})
            raise SettingsError("train.lora.targets", f"{target!r}: the network has no such layer", ", ".join(names))


def merge_adapters(network: Any) -> None:
    """Add the adapters to the weights beside which they are: the architecture is the base's again."""
    network.fuse_lora()
    network.unload_lora()
