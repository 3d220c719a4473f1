"""Stable Diffusion 3 and 3.5 (arXiv 2403.03206): a transformer that reads two CLIP text encoders and T5, by flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.core.errors import InputError
from platen.families.base import Conditions, Encoders
from platen.families.component_checks import Configs
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber

if TYPE_CHECKING:
    from torch import Tensor

T5_TOKENS = 256
"""Tokens that the pipeline has T5 read."""
CLIP_TOKENS = 77
"""Tokens that CLIP reads."""


class StableDiffusion3(DiffusersFamily):
    """The last hidden states but one of both CLIP encoders, their pooled vectors, and T5's states; no mask.

    CLIP's states are stored apart from T5's: they are half as wide, and where a model comes without T5 the network
    reads zeros instead, which `predict` makes.
    """

    name = "stable-diffusion-3"
    pipelines = frozenset({"StableDiffusion3Pipeline"})
    network_class = "SD3Transformer2DModel"
    default_tokens = T5_TOKENS
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    leaf_modules = ("JointTransformerBlock",)
    default_patch: ClassVar[int] = 2
    lora_targets = (*DiffusersFamily.lora_targets, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer of the text encoders' widths; that of T5 only where the folder has T5."""
        clip = sum(configs[part]["projection_dim"] for part in ("text_encoder", "text_encoder_2"))
        fields = {
            **super().network_fields(file, configs),
            "pooled_projection_dim": OneOf([clip], source="projection_dim of both CLIP encoders"),
            "pos_embed_max_size": WholeNumber(),
            "patch_size": WholeNumber(),
        }
        if "text_encoder_3" in configs:
            width = configs["text_encoder_3"]["d_model"]
            fields["joint_attention_dim"] = OneOf([width], source="d_model of text_encoder_3/config.json")
        return fields

    def check_size(self, config: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Raise InputError for latents that the transformer cannot read: not of whole patches, or too many."""
        super().check_size(config, size)
        largest = int(config.get("pos_embed_max_size", 96)) * self.patch_size(config)  # 96: diffusers' own
        if max(size) > largest:
            raise InputError(f"latents of {size[0]} x {size[1]}: accepted: up to {largest}, by pos_embed_max_size")

    def encoders(self, folder: Path, device: str, *, tokens: bool = False) -> Encoders:
        """Load the pipeline without its network. Raises InputError without a CLIP encoder; T5 may be missing."""
        for part in ("text_encoder", "text_encoder_2"):
            if not (folder / part).is_dir():
                raise InputError(
                    f"{folder}: no {part}. Accepted: both CLIP encoders, with or without text_encoder_3 (T5)"
                )
        return super().encoders(folder, device, tokens=tokens)

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that T5 reads of a caption, or CLIP where there is no T5."""
        return T5_TOKENS if pipeline.text_encoder_3 is not None else int(pipeline.tokenizer_max_length)

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption for T5, or for CLIP where there is no T5, its marks included."""
        tokenizer = pipeline.tokenizer_3 if pipeline.text_encoder_3 is not None else pipeline.tokenizer
        return len(tokenizer(caption, truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to clip_prompt_embeds, t5_prompt_embeds (tokens, width) and pooled_prompt_embeds (width,).

        The pipeline's encode_prompt is these calls put together, and without T5 it asks the network for its width.
        """
        import torch

        prompts = list(captions)
        embeds, pooled = zip(
            *(pipeline._get_clip_prompt_embeds(prompts, clip_model_index=index) for index in (0, 1)), strict=True
        )
        conditions = {
            "clip_prompt_embeds": torch.cat(embeds, dim=-1),
            "pooled_prompt_embeds": torch.cat(pooled, dim=-1),
        }
        if pipeline.text_encoder_3 is not None:
            conditions["t5_prompt_embeds"] = pipeline._get_t5_prompt_embeds(prompts, max_sequence_length=T5_TOKENS)
        return {name: list(tensor) for name, tensor in conditions.items()}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with latents, timesteps, CLIP's states before T5's or zeros, and the pooled vectors."""
        import torch

        clip = conditions["clip_prompt_embeds"]
        width = network.config["joint_attention_dim"]
        t5 = conditions["t5_prompt_embeds"] if "t5_prompt_embeds" in conditions else clip.new_zeros(1, T5_TOKENS, width)
        padded = torch.nn.functional.pad(clip, (0, width - clip.shape[-1]))
        prediction: Tensor = network(
            hidden_states=noisy,
            timestep=timesteps,
            encoder_hidden_states=torch.cat([padded, t5.expand(len(clip), -1, -1)], dim=1),
            pooled_projections=conditions["pooled_prompt_embeds"],
            return_dict=False,
        )[0]
        return prediction

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make the text encoders' states of the transformer's widths."""
        import torch

        pooled = config["pooled_projection_dim"]  # both CLIP encoders project to their own width
        return {
            "clip_prompt_embeds": torch.zeros(batch, CLIP_TOKENS, pooled),
            "t5_prompt_embeds": torch.zeros(batch, tokens, config["joint_attention_dim"]),
            "pooled_prompt_embeds": torch.zeros(batch, pooled),
        }

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 250,000 parameters that draws 64 x 64 pixels."""
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
        from transformers import CLIPTextModelWithProjection, T5EncoderModel

        from platen.families.tiny_parts import autoencoder, clip_config, t5_config
        from platen.families.tiny_tokenizers import clip_tokenizer, t5_tokenizer

        torch.manual_seed(seed)
        tokenizer, tokenizer_3 = clip_tokenizer(), t5_tokenizer()
        StableDiffusion3Pipeline(
            vae=autoencoder(
                16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False
            ),
            text_encoder=CLIPTextModelWithProjection(clip_config(tokenizer, width=32, projection=32)),
            text_encoder_2=CLIPTextModelWithProjection(clip_config(tokenizer, width=48, projection=48)),
            text_encoder_3=T5EncoderModel(t5_config(tokenizer_3, width=96)),
            tokenizer=tokenizer,
            tokenizer_2=clip_tokenizer(),
            tokenizer_3=tokenizer_3,
            transformer=SD3Transformer2DModel(
                sample_size=8,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=96,
                caption_projection_dim=32,
                pooled_projection_dim=32 + 48,
                pos_embed_max_size=16,
                dual_attention_layers=(0,),
                qk_norm="rms_norm",
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        ).save_pretrained(out)


FAMILY = StableDiffusion3()
