"""A tiny Stable Diffusion from scratch: tokenizer, CLIP and autoencoder trained, the UNet left for the train stage."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image, ImageOps
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTextModel, CLIPTokenizer

from platen.artifacts.dataset import Split, read_samples
from platen.components.base.autoencoder import train_autoencoder
from platen.components.base.clip import train_clip
from platen.components.base.settings import BaseModelSettings, TinySettings
from platen.components.base.tokenizer import train_tokenizer
from platen.core.errors import InputError
from platen.core.telemetry import log


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
    write(out, settings.tiny, resolution, tokenizer, clip, vae)
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


def write(
    out: Path, tiny: TinySettings, resolution: int, tokenizer: CLIPTokenizer, clip: CLIPModel, vae: AutoencoderKL
) -> None:
    """The diffusers folder, its text encoder being CLIP's own, and clip/ beside the parts."""
    size = {"height": resolution, "width": resolution}
    processor = CLIPImageProcessorPil(size={"shortest_edge": resolution}, crop_size=size, **half_mean_and_std())
    CLIPProcessor(processor, tokenizer).save_pretrained(out / "clip")
    clip.save_pretrained(out / "clip")
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel.from_pretrained(out / "clip"),
        tokenizer=tokenizer,
        unet=new_unet(tiny, latent_size=resolution // 2 ** (len(tiny.vae_channels) - 1)),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(out)


def half_mean_and_std() -> dict[str, list[float]]:
    """Normalisation of pixels to [-1, 1]."""
    return {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def new_unet(tiny: TinySettings, latent_size: int) -> UNet2DConditionModel:
    """A UNet with cross-attention on every level but the first, random weights.

    The pooled caption also scales and shifts every block, together with the timestep: with it a tiny UNet learns in a
    few hundred steps what cross-attention alone takes thousands for.
    """
    below = len(tiny.unet_channels) - 1
    return UNet2DConditionModel(
        sample_size=latent_size,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=tiny.unet_channels,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * below),
        up_block_types=(*("CrossAttnUpBlock2D",) * below, "UpBlock2D"),
        cross_attention_dim=tiny.clip_width,
        attention_head_dim=4,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def new_scheduler() -> DDIMScheduler:
    """v-prediction on a cosine schedule that ends in pure noise (arXiv 2202.00512, 2102.09672, 2305.08891)."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        steps_offset=1,
    )
