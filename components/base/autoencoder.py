"""A tiny AutoencoderKL, trained to give pictures back (arXiv 2112.10752, without the adversarial part)."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from platen.components.base.settings import BaseModelSettings
from platen.core.telemetry import track

BATCH = 16
LATENT_CHANNELS = 4


def train_autoencoder(pixels: Tensor, settings: BaseModelSettings) -> tuple[AutoencoderKL, float]:
    """An autoencoder of pictures (n, 3, height, width) in [-1, 1], and the mean absolute error of pixels, 0 to 255."""
    tiny = settings.tiny
    vae = new_autoencoder(tiny.vae_channels, pixels.shape[-1])
    optimizer = torch.optim.AdamW(vae.parameters(), lr=tiny.vae_learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, tiny.vae_learning_rate, total_steps=tiny.vae_steps, pct_start=0.1, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(settings.seed)
    vae.train()
    for _ in track(range(tiny.vae_steps), "base: autoencoder", tiny.vae_steps, "steps"):
        chosen = torch.randint(len(pixels), (BATCH,), generator=generator)
        loss = reconstruction_loss(vae, pixels[chosen], tiny.vae_kl, generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    vae.eval().requires_grad_(False)
    vae.register_to_config(scaling_factor=1 / latent_deviation(vae, pixels))
    return vae, reconstruction_error(vae, pixels[:256])


def new_autoencoder(channels: tuple[int, ...], resolution: int) -> AutoencoderKL:
    """The architecture, its posterior narrow from the start (deviation exp(-3)), so that it learns to draw first."""
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=1,
        norm_num_groups=1,  # more groups take the strength of flat colours away
        sample_size=resolution,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        vae.quant_conv.bias[LATENT_CHANNELS:] = -6.0
    return vae.to(memory_format=torch.channels_last)


def reconstruction_loss(vae: AutoencoderKL, pixels: Tensor, kl: float, generator: torch.Generator) -> Tensor:
    """Absolute plus squared error of the decoded pictures, plus the Kullback-Leibler term a latent number."""
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    posterior = vae.encode(pixels).latent_dist
    latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
    error = vae.decode(latents).sample - pixels
    loss: Tensor = error.abs().mean() + error.square().mean() + kl * posterior.kl().mean() / latents[0].numel()
    return loss


@torch.inference_mode()
def latent_deviation(vae: AutoencoderKL, pixels: Tensor) -> float:
    """The standard deviation of all latents: dividing by it gives the UNet numbers of unit size."""
    latents = torch.cat([vae.encode(batch).latent_dist.mean for batch in pixels.split(64)])
    return float(latents.std())


@torch.inference_mode()
def reconstruction_error(vae: AutoencoderKL, pixels: Tensor) -> float:
    """Mean absolute error of decoded pixels, 0 to 255."""
    errors = [vae.decode(vae.encode(batch).latent_dist.mean).sample - batch for batch in pixels.split(64)]
    return float(torch.cat(errors).abs().mean()) * 127.5
