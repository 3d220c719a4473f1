"""What is trained: the UNet, and the text encoder too where captions come as token ids."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deepspeed
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from platen.components.train.models.files import TEXT_WEIGHTS, UNET_WEIGHTS, tensor_sizes
from platen.components.train.parallel.whole import load_whole
from platen.errors import InputError


class Denoiser(nn.Module):
    """Predicts noise (or v) from noisy latents and a caption.

    Args:
        unet: The denoising network.
        text_encoder: Trained with it where given; otherwise captions come encoded.
    """

    def __init__(self, unet: nn.Module, text_encoder: nn.Module | None) -> None:
        super().__init__()
        self.unet = unet
        self.text_encoder = text_encoder

    def forward(self, latents: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        """Latents (n, c, h, w), timesteps (n,), text (n, tokens, width) or token ids (n, tokens) to (n, c, h, w)."""
        context = text if self.text_encoder is None else self.text_encoder(text)[0]
        prediction: Tensor = self.unet(latents, timesteps, context, return_dict=False)[0]
        return prediction


def check_base(base: Path, *, with_text_encoder: bool) -> None:
    """Raise InputError that names the first file that training needs and the base model lacks."""
    parts = _weights(base, with_text_encoder=with_text_encoder).values()
    needed = [path for weights in parts for path in (weights.with_name("config.json"), weights)]
    for path in (*needed, base / "scheduler" / "scheduler_config.json"):
        if not path.is_file():
            raise InputError(f"{path}: missing; the base model must be a diffusers folder with safetensors weights")


def build_model(
    base: Path, config: dict[str, Any], state: dict[str, Tensor] | None, *, with_text_encoder: bool
) -> Denoiser:
    """The base model; at stage 3 split over the ranks as its weights are loaded: no rank ever holds all of them.

    Args:
        base: A diffusers folder.
        config: DeepSpeed's.
        state: The weights; only rank 0 needs to have them.
        with_text_encoder: Whether it is trained too.
    """
    split = config["zero_optimization"]["stage"] == 3
    # whole ones lie where ranks exchange them: NCCL knows no other place
    with deepspeed.zero.Init(config_dict_or_path=config) if split else rank_device():
        model = build_empty(base, with_text_encoder=with_text_encoder)
    load_whole(model, state)
    return model


def build_empty(base: Path, *, with_text_encoder: bool) -> Denoiser:
    """The architecture of a diffusers folder, its weights not loaded."""
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(base / "unet"))
    text_encoder = CLIPTextModel(CLIPTextConfig.from_pretrained(base / "text_encoder")) if with_text_encoder else None
    return Denoiser(unet, text_encoder)


def read_weights(base: Path, *, with_text_encoder: bool) -> dict[str, Tensor]:
    """The weights of a diffusers folder in fp32, by the Denoiser's names.

    The libraries read them: files have names that these have changed since (`text_model.` of a text encoder).

    Raises InputError where a file lacks one: it would be left as it was drawn, and trained.
    """
    read: dict[str, Callable[..., Any]] = {"unet": _read_unet, "text_encoder": _read_text_encoder}
    weights: dict[str, Tensor] = {}
    for part, path in _weights(base, with_text_encoder=with_text_encoder).items():
        model, told = read[part](path.parent)
        if told["missing_keys"]:
            missing = sorted(told["missing_keys"])
            raise InputError(f"{path}: lacks {len(missing)} weights of {path.parent}/config.json, as {missing[0]}")
        weights |= {f"{part}.{name}": parameter.data for name, parameter in model.named_parameters()}
    return weights


def _read_unet(folder: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False, output_loading_info=True)


def _read_text_encoder(folder: Path) -> Any:
    return CLIPTextModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)


def largest_parameter(base: Path, *, with_text_encoder: bool) -> int:
    """Numbers of the largest parameter of a diffusers folder that is trained on; only headers of files are read."""
    files = _weights(base, with_text_encoder=with_text_encoder).values()
    return max(size for path in files for size in tensor_sizes(path))


def _weights(base: Path, *, with_text_encoder: bool) -> dict[str, Path]:
    """The file of each part that is trained, by the Denoiser's name of the part."""
    files = {"unet": UNET_WEIGHTS, **({"text_encoder": TEXT_WEIGHTS} if with_text_encoder else {})}
    return {part: base / part / name for part, name in files.items()}


def rank_device() -> torch.device:
    """This rank's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device
