"""Low-rank adapters (LoRA, arXiv 2106.09685): what is trained in place of the UNet's own weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.lora_base import LORA_WEIGHT_NAME_SAFE
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from platen.components.train.models.settings import LoraSettings
from platen.components.train.models.unet import Denoiser
from platen.errors import SettingsError

METADATA = "lora_adapter_metadata"  # where diffusers looks for rank, scale and targets
FOLDER = "lora"  # of an exported model; the file in it has the name that diffusers looks for


def add_adapters(model: Denoiser, settings: LoraSettings, seed: int) -> None:
    """Freeze a model, its weights loaded, and put adapters beside the UNet's layers, which change nothing yet.

    They are made whole on every rank, alike; DeepSpeed splits them with the rest.

    Raises:
        SettingsError: A target is the name of no layer.
    """
    unet: Any = model.unet
    check_targets(unet, settings.targets)
    model.requires_grad_(False)
    torch.manual_seed(seed)
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=list(settings.targets))
    unet.add_adapter(config)


def check_targets(unet: UNet2DConditionModel, targets: Sequence[str]) -> None:
    """Raise SettingsError for a target that no layer's name ends with; peft passes over it where another has one."""
    layers = [name for name, module in unet.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    for target in targets:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            names = sorted({name for layer in layers if not (name := layer.rpartition(".")[2]).isdigit()})
            raise SettingsError("train.lora.targets", f"{target!r}: the UNet has no such layer", ", ".join(names))


def write_adapters(unet: UNet2DConditionModel, out: Path) -> None:
    """Write the adapters of a UNet in the format of diffusers' `load_lora_weights`, scale and targets with them."""
    settings = unet.peft_config["default"].to_dict()
    StableDiffusionPipeline.save_lora_weights(
        out / FOLDER,
        unet_lora_layers=get_peft_model_state_dict(unet),
        unet_lora_adapter_metadata={name: _ordered(value) for name, value in settings.items()},
    )
    _name_one_thing(out / FOLDER / LORA_WEIGHT_NAME_SAFE)


def _name_one_thing(path: Path) -> None:
    """Write a file again with no metadata but the adapters': of several the order differs from run to run."""
    with safe_open(path, "pt") as file:
        told = {METADATA: file.metadata()[METADATA]}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    save_file(tensors, path, metadata=told)


def _ordered(value: Any) -> Any:
    """The same bytes from every process: peft keeps names in sets."""
    return sorted(value) if isinstance(value, set) else value


def merge_adapters(unet: UNet2DConditionModel) -> None:
    """Add the adapters to the weights beside which they are: the architecture is the base's again."""
    unet.fuse_lora()
    unet.unload_lora()


def read_adapted(base: Path, out: Path) -> UNet2DConditionModel:
    """The base's UNet with the adapters that lie in an exported model, as diffusers reads them."""
    unet: UNet2DConditionModel = UNet2DConditionModel.from_pretrained(base / "unet", low_cpu_mem_usage=False)
    unet.load_lora_adapter(out / FOLDER, prefix="unet", weight_name=LORA_WEIGHT_NAME_SAFE)
    return unet
