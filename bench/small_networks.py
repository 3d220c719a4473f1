"""Configurations of each family's network that two CPU cores can train, large enough that parts can be told apart.

Weights, gradients and activations are to be more than what is there whatever the model: each has 2 to 6 million
parameters and some blocks of each kind.
"""

from __future__ import annotations

from typing import Any

TEXT = 64
"""Width of the states that text encoders give."""


def unet(channels: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A UNet with attention on its lower level."""
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": 16,
        "block_out_channels": list(channels),
        "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "cross_attention_dim": TEXT,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
        **more,
    }


def flux2(*, guidance: bool) -> dict[str, Any]:
    """A FLUX.2 transformer; the models with guidance are FLUX.2 dev's."""
    return {
        "_class_name": "Flux2Transformer2DModel",
        "in_channels": 64,
        "num_layers": 2,
        "num_single_layers": 4,
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "joint_attention_dim": 3 * TEXT,
        "axes_dims_rope": [8, 8, 8, 8],
        "guidance_embeds": guidance,
    }


NETWORKS: dict[str, dict[str, Any]] = {
    "small": unet((32, 64)),
    "middle": unet((64, 128)),
    "large": unet((96, 192)),
    "SDXL": unet(
        (64, 128),
        transformer_layers_per_block=[1, 2],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=6 * 32 + TEXT,
    ),
    "SD3": {
        "_class_name": "SD3Transformer2DModel",
        "sample_size": 16,
        "num_layers": 4,
        "attention_head_dim": 32,
        "num_attention_heads": 5,
        "joint_attention_dim": TEXT,
        "caption_projection_dim": 160,
        "pooled_projection_dim": TEXT,
        "pos_embed_max_size": 32,
        "dual_attention_layers": [0, 1],
        "qk_norm": "rms_norm",
    },
    "PixArt-Σ": {
        "_class_name": "PixArtTransformer2DModel",
        "sample_size": 16,
        "num_layers": 6,
        "attention_head_dim": 32,
        "num_attention_heads": 6,
        "cross_attention_dim": 192,
        "attention_bias": True,
        "caption_channels": TEXT,
        "use_additional_conditions": False,
    },
    "FLUX.1": {
        "_class_name": "FluxTransformer2DModel",
        "in_channels": 64,
        "num_layers": 2,
        "num_single_layers": 4,
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "joint_attention_dim": TEXT,
        "pooled_projection_dim": TEXT,
        "guidance_embeds": True,
        "axes_dims_rope": [8, 12, 12],
    },
    "FLUX.2 klein": flux2(guidance=False),
    "FLUX.2 dev": flux2(guidance=True),
    "Qwen-Image": {
        "_class_name": "QwenImageTransformer2DModel",
        "in_channels": 64,
        "out_channels": 16,
        "num_layers": 4,
        "attention_head_dim": 32,
        "num_attention_heads": 4,
        "joint_attention_dim": TEXT,
        "axes_dims_rope": [8, 12, 12],
    },
    "Z-Image": {
        "_class_name": "ZImageTransformer2DModel",
        "in_channels": 16,
        "dim": 192,
        "n_layers": 4,
        "n_refiner_layers": 1,
        "n_heads": 6,
        "n_kv_heads": 6,
        "cap_feat_dim": TEXT,
        "axes_dims": [8, 12, 12],
        "axes_lens": [1024, 64, 64],
    },
}
