"""Settings of base."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from platen.core.settings import Settings


class TinySettings(Settings):
    """The tiny model that is trained where no base model is given: real classes, small sizes."""

    family: Literal["stable-diffusion", "stable-diffusion-3", "pixart-sigma"] = Field(
        "stable-diffusion", description="what it is a small one of: stable-diffusion, stable-diffusion-3, pixart-sigma"
    )
    caption_tokens: int = Field(16, ge=8, le=77, description="longest caption in tokens, 8 to 77")
    vocabulary: int = Field(1024, ge=600, description="most entries of the tokenizer's vocabulary, 600 or more")
    clip_width: int = Field(64, ge=16, description="width of both CLIP towers")
    clip_steps: int = Field(260, ge=1, description="optimizer steps of CLIP, of 64 pairs each")
    clip_learning_rate: float = Field(1.5e-3, gt=0, description="highest learning rate of CLIP")
    vae_channels: tuple[int, ...] = Field(
        (32, 32, 32), min_length=2, description="channels a level of the autoencoder; each level but the last halves"
    )
    vae_steps: int = Field(460, ge=1, description="optimizer steps of the autoencoder, of 16 pictures each")
    vae_learning_rate: float = Field(2e-3, gt=0, description="highest learning rate of the autoencoder")
    vae_kl: float = Field(3e-5, ge=0, description="weight of the Kullback-Leibler term")
    unet_channels: tuple[int, ...] = Field((64, 128), min_length=2, description="channels a level of the UNet")
    transformer_width: int = Field(
        128, ge=32, multiple_of=32, description="width of the transformer where the family has one, a multiple of 32"
    )
    transformer_layers: int = Field(4, ge=1, description="blocks of the transformer where the family has one")
    pictures: int = Field(2000, ge=1, description="most training pictures held in memory for this")


class BaseModelSettings(Settings):
    """Which model training starts from."""

    # what a model's files hold counts, not where they lie: see `outside`
    base_model: str | None = Field(
        None,
        exclude=True,
        description="diffusers folder (path or gs://), hub id or a single .safetensors file of Stable "
        "Diffusion 1.x or 2.x; null trains a tiny one",
    )
    variant: str | None = Field(
        None, description="variant of the weights, as fp16; null takes the plain ones, or else the only variant"
    )
    config: str | None = Field(
        None,
        exclude=True,
        description="folder, gs:// or hub id of the diffusers model whose configs and tokenizer a single file takes",
    )
    revision: str = Field("main", description="branch, tag or commit on the hub")
    clip: str | None = Field(
        None,
        exclude=True,
        description="folder, gs:// or hub id of the CLIPModel that evaluate measures with; null takes base_model/clip",
    )
    tiny: TinySettings = Field(TinySettings(), description="the tiny model, where base_model is null")
    seed: int = Field(0, ge=0, description="seed of the tiny model")
    threads: int = Field(2, ge=1, le=256, description="CPU threads, 1 to 256; fixed, so that sums come out the same")
