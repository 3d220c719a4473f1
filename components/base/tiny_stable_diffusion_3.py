"""A tiny Stable Diffusion 3: a flow-matching MMDiT that reads CLIP's text tower, and no T5."""

from __future__ import annotations

from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from transformers import CLIPModel, CLIPTextModelWithProjection

from platen.components.base.tiny_parts import Parts

HEAD = 32  # width of an attention head


def write(parts: Parts, out: Path) -> None:
    """Write the diffusers folder, CLIP's text tower in both places that the family has for one, its MMDiT at random."""
    parts.autoencoder.register_to_config(shift_factor=0.0)  # the pipeline adds it, and takes no null
    StableDiffusion3Pipeline(
        vae=parts.autoencoder,
        text_encoder=text_tower(parts.clip),
        tokenizer=parts.tokenizer,
        text_encoder_2=text_tower(parts.clip),
        tokenizer_2=parts.tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=new_transformer(parts),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
    ).save_pretrained(out)


def text_tower(clip: CLIPModel) -> CLIPTextModelWithProjection:
    """Copy the text tower of a CLIP with its projection."""
    model = CLIPTextModelWithProjection(clip.config.text_config)
    weights = clip.state_dict()
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model.eval().requires_grad_(False)


def new_transformer(parts: Parts) -> SD3Transformer2DModel:
    """Make the MMDiT; each latent is a token, of which there are few at these sizes."""
    tiny = parts.settings.tiny
    return SD3Transformer2DModel(
        sample_size=parts.latent_size,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=tiny.transformer_layers,
        attention_head_dim=HEAD,
        num_attention_heads=tiny.transformer_width // HEAD,
        joint_attention_dim=2 * tiny.clip_width,
        caption_projection_dim=tiny.transformer_width,
        pooled_projection_dim=2 * tiny.clip_width,
        pos_embed_max_size=parts.latent_size,
        qk_norm="rms_norm",
    )
