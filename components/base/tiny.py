"""A tiny model from scratch: tokenizer, CLIP and autoencoder trained, the network left for the train stage."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPProcessor

from platen.artifacts.dataset import Split, read_samples
from platen.components.base import tiny_pixart_sigma, tiny_stable_diffusion, tiny_stable_diffusion_3
from platen.components.base.autoencoder import train_autoencoder
from platen.components.base.clip import train_clip
from platen.components.base.settings import BaseModelSettings
from platen.components.base.tiny_parts import Parts
from platen.components.base.tokenizer import train_tokenizer
from platen.core.errors import InputError
from platen.core.telemetry import log

WRITERS = {
    "stable-diffusion": tiny_stable_diffusion.write,
    "stable-diffusion-3": tiny_stable_diffusion_3.write,
    "pixart-sigma": tiny_pixart_sigma.write,
}


@dataclass(frozen=True)
class Made:
    """How well the parts came out: mean absolute error of reconstructed pixels (0 to 255), CLIP's last loss."""

    pictures: int
    reconstruction: float
    clip: float


def make(settings: BaseModelSettings, dataset: Path, resolution: int, out: Path) -> Made:
    """Train the parts on a dataset's training split and write the folder."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    pixels, captions = read_pictures(dataset, settings.tiny.pictures, resolution)
    log.info("base: tokenizer, CLIP and autoencoder from %d pictures of %d pixels", len(captions), resolution)
    tokenizer = train_tokenizer(captions, settings.tiny.vocabulary, settings.tiny.caption_tokens)
    clip, loss = train_clip(pixels, captions, tokenizer, settings)
    vae, error = train_autoencoder(pixels, settings)
    parts = Parts(settings, resolution, pixels, captions, tokenizer, clip, vae)
    write_clip(parts, out / "clip")
    WRITERS[settings.tiny.family](parts, out)
    return Made(len(captions), error, loss)


def read_pictures(dataset: Path, most: int, side: int) -> tuple[Tensor, list[str]]:
    """Pixels (n, 3, side, side) in [-1, 1] and captions of the first `most` training samples; the middle of others."""
    pictures: list[np.ndarray] = []
    captions: list[str] = []
    for sample in read_samples(dataset):
        if sample.row.split == Split.TRAIN and len(captions) < most:
            with Image.open(io.BytesIO(sample.image)) as picture:
                square = ImageOps.fit(picture.convert("RGB"), (side, side))
                pictures.append(np.asarray(square, dtype=np.uint8))
            captions.append(sample.row.caption)
    if not captions:
        raise InputError(f"{dataset}: no sample in the split '{Split.TRAIN}'; see merge in the settings")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1, captions


def write_clip(parts: Parts, out: Path) -> None:
    """Write CLIP and its processor, which evaluate measures with."""
    size = {"height": parts.resolution, "width": parts.resolution}
    processor = CLIPImageProcessorPil(size={"shortest_edge": parts.resolution}, crop_size=size, **half_mean_and_std())
    CLIPProcessor(processor, parts.tokenizer).save_pretrained(out)
    parts.clip.save_pretrained(out)


def half_mean_and_std() -> dict[str, list[float]]:
    """Return the normalization of pixels to [-1, 1]."""
    return {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
