"""What must fit in folders of Stable Diffusion 1.x, 2.x and XL: the fields of the UNet and all outer layers."""

from __future__ import annotations

from collections.abc import Mapping

from platen.core.manifest import Json
from platen.families.component_checks import Configs
from platen.families.layout import OneOf, WholeNumber

CONDITIONED = ("num_class_embeds", "class_embed_type", "encoder_hid_dim_type", "encoder_hid_dim", "time_cond_proj_dim")
UNET_DEFAULTS = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 1280, "conv_in_kernel": 3}
VAE_DEFAULTS = {"in_channels": 3, "out_channels": 3, "latent_channels": 4}

Shapes = dict[str, tuple[int, ...]]


def unet_fields(configs: Configs, width: int, source: str) -> dict[str, OneOf | WholeNumber]:
    """Name what fields of a UNet may be, given by what the autoencoder and the text encoders make.

    Args:
        configs: Of the autoencoder and the UNet.
        width: Of the text encoders' states.
        source: Of the width, for errors.
    """
    unet, channels = configs["unet"], configs["vae"].get("latent_channels", 4)
    latents = OneOf([channels], default=4, source="latent_channels of vae/config.json")
    widths: list[Json] = [width]
    if isinstance(unet.get("cross_attention_dim"), list):
        widths.append([width] * len(unet["block_out_channels"]))
    return {
        "in_channels": latents,
        "out_channels": latents,
        **dict.fromkeys(CONDITIONED, OneOf([None])),
        "cross_attention_dim": OneOf(widths, default=1280, source=source),
        "conv_in_kernel": WholeNumber(default=3),
    }


def outer_layers(configs: Configs) -> dict[str, Shapes]:
    """Return the shapes of the layers at which components meet, which the configs must have in common with weights.

    That catches a config that belongs to other weights; every layer in between is checked where weights are loaded.
    """
    unet: Mapping[str, Json] = {**UNET_DEFAULTS, **configs["unet"]}
    vae: Mapping[str, Json] = {**VAE_DEFAULTS, **configs["vae"]}
    kernel = unet["conv_in_kernel"]
    layers: dict[str, Shapes] = {
        "unet": {
            "conv_in.weight": (unet["block_out_channels"][0], unet["in_channels"], kernel, kernel),
            "conv_out.bias": (unet["out_channels"],),
        },
        "vae": {
            "encoder.conv_in.weight": (vae["block_out_channels"][0], vae["in_channels"], 3, 3),
            "decoder.conv_in.weight": (vae["block_out_channels"][-1], vae["latent_channels"], 3, 3),
            "decoder.conv_out.bias": (vae["out_channels"],),
        },
    }
    for part in configs:
        if part.startswith("text_encoder"):
            text = configs[part]
            layers[part] = {
                "embeddings.token_embedding.weight": (text["vocab_size"], text["hidden_size"]),
                "embeddings.position_embedding.weight": (text["max_position_embeddings"], text["hidden_size"]),
                "final_layer_norm.bias": (text["hidden_size"],),
            }
    return layers
