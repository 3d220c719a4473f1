"""Small models of the shapes that people train, with random weights: Stable Diffusion's UNet and FLUX.1's transformer.

Whole diffusers folders of the real classes, so that the train stage and the server take them as they take any model.
Text encoders have a real width and two layers: nothing that is measured depends on what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.training.world import unet_config


@dataclass(frozen=True)
class Shape:
    """A model, and how much of it a measurement takes.

    Attributes:
        title: As tables name it.
        write: Writes the diffusers folder.
        network: Configuration of the denoising network.
        text: Width of the text encoder's output.
        pooled: Width of the pooled output of the second one, if there are two.
        channels: Of the autoencoder's levels.
        tokens: Length of captions.
        side: Height and width of the latents.
        micro_batch: Samples of a step.
        steps: Of a training; the first sixth warms up.
        image_steps: Denoising steps of a served image.
    """

    title: str
    write: Callable[[Shape, Path], None]
    network: dict[str, Any]
    text: int
    pooled: int
    channels: tuple[int, ...]
    tokens: int
    side: int
    micro_batch: int
    steps: int
    image_steps: int

    @property
    def resolution(self) -> int:
        """Height and width of images in pixels."""
        return self.side * 2 ** (len(self.channels) - 1)

    @property
    def sizes(self) -> str:
        """Say what is trained, for a table."""
        return (
            f"{self.network['_class_name']}, {self.micro_batch} samples of {self.resolution}² pixels "
            f"(latents of {self.side}²), captions of {self.tokens} tokens"
        )


def write_sd(shape: Shape, out: Path) -> None:
    """Write a StableDiffusionPipeline."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel

    from platen.families.tiny_parts import clip_config
    from platen.families.tiny_tokenizers import clip_tokenizer

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    StableDiffusionPipeline(
        vae=AutoencoderKL(**autoencoder_config(shape), latent_channels=4),
        text_encoder=CLIPTextModel(clip_config(tokenizer, shape.text)),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel.from_config(shape.network),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(out)


def write_flux(shape: Shape, out: Path) -> None:
    """Write a FluxPipeline."""
    import torch
    from diffusers import AutoencoderKL, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    from platen.families.tiny_parts import clip_config, flow_scheduler, t5_config
    from platen.families.tiny_tokenizers import clip_tokenizer, t5_tokenizer

    torch.manual_seed(0)
    tokenizer, tokenizer_2 = clip_tokenizer(), t5_tokenizer()
    autoencoder = {
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "latent_channels": shape.network["in_channels"] // 4,
    }
    FluxPipeline(
        scheduler=flow_scheduler(),
        vae=AutoencoderKL(**autoencoder_config(shape), **autoencoder, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=CLIPTextModel(clip_config(tokenizer, shape.pooled)),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(t5_config(tokenizer_2, shape.text)),
        tokenizer_2=tokenizer_2,
        transformer=FluxTransformer2DModel.from_config(shape.network),
    ).save_pretrained(out)


def autoencoder_config(shape: Shape) -> dict[str, Any]:
    """Configure an autoencoder of plain levels, each but the last of which halves."""
    levels = len(shape.channels)
    return {
        "block_out_channels": shape.channels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "norm_num_groups": 8,
    }


def sd_network(channels: tuple[int, ...], text: int, side: int) -> dict[str, Any]:
    """Configure Stable Diffusion's UNet with other widths; with fewer of them it is also less deep."""
    config = unet_config(channels, text, blocks=len(channels), side=side)
    return {"_class_name": "UNet2DConditionModel", **config}


def flux_network(
    blocks: tuple[int, int], heads: tuple[int, int], axes: tuple[int, ...], **widths: int
) -> dict[str, Any]:
    """Configure FLUX.1's transformer.

    Args:
        blocks: Blocks with two streams, and with one.
        heads: Heads of attention, and the width of each.
        axes: How that width is shared out among the three coordinates of a position.
        widths: Of its inputs, by the configuration's names.
    """
    return {
        "_class_name": "FluxTransformer2DModel",
        "num_layers": blocks[0],
        "num_single_layers": blocks[1],
        "num_attention_heads": heads[0],
        "attention_head_dim": heads[1],
        "axes_dims_rope": axes,
        "guidance_embeds": True,
        **widths,
    }


KL = (128, 256, 512, 512)  # widths of the autoencoder of both
SHAPES: dict[str, dict[str, Shape]] = {
    "full": {
        "sd": Shape(
            "SD-shaped", write_sd, sd_network((160, 320, 640, 640), 768, 64),
            text=768, pooled=0, channels=KL, tokens=77, side=64, micro_batch=16, steps=60, image_steps=25,
        ),
        "flux": Shape(
            "FLUX-shaped", write_flux,
            flux_network(
                (3, 6), (8, 128), (16, 56, 56),
                in_channels=64, joint_attention_dim=4096, pooled_projection_dim=768,
            ),
            text=4096, pooled=768, channels=KL, tokens=512, side=64, micro_batch=8, steps=60, image_steps=25,
        ),
    },
    "tiny": {
        "sd": Shape(
            "SD-shaped", write_sd, sd_network((16, 32), 32, 16),
            text=32, pooled=0, channels=(8, 16), tokens=77, side=16, micro_batch=2, steps=6, image_steps=2,
        ),
        "flux": Shape(
            "FLUX-shaped", write_flux,
            flux_network((1, 1), (2, 16), (4, 6, 6), in_channels=16, joint_attention_dim=32, pooled_projection_dim=32),
            text=32, pooled=32, channels=(8, 16), tokens=16, side=16, micro_batch=2, steps=6, image_steps=2,
        ),
    },
}  # fmt: skip
