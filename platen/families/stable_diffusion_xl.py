"""Stable Diffusion XL (arXiv 2307.01952): a UNet that reads two CLIP text encoders and the size of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.core.errors import InputError
from platen.families.base import Conditions
from platen.families.component_checks import Configs, check_levels
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber, check_fields
from platen.families.stable_diffusion import check_unet_size
from platen.families.stable_diffusion_checks import outer_layers, unet_fields

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 8
"""Pixels per latent, of every SDXL autoencoder."""


class StableDiffusionXL(DiffusersFamily):
    """The last hidden states but one of both text encoders, side by side, and the second one's pooled vector.

    The size of the image, which the UNet reads as time_ids, is known by the latents, and so is not stored: nothing was
    cropped away, and the original has the size that is trained.
    """

    name = "stable-diffusion-xl"
    pipelines = frozenset({"StableDiffusionXLPipeline"})
    network = "unet"
    network_class = "UNet2DConditionModel"
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    leaf_modules = ("ResnetBlock2D", "BasicTransformerBlock")

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a UNet reads a pooled vector and the image's size besides the text."""
        return super().describes(config) and config.get("addition_embed_type") == "text_time"

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a UNet that reads the states of both text encoders and the second one's pooled vector."""
        check_levels(file, configs["unet"])
        one, two = configs["text_encoder"], configs["text_encoder_2"]
        size: dict[str, OneOf | WholeNumber] = {
            "addition_embed_type": OneOf(["text_time"]),
            "addition_time_embed_dim": WholeNumber(),
        }
        check_fields(file, configs["unet"], size)
        pooled = two["projection_dim"] + 6 * configs["unet"]["addition_time_embed_dim"]
        return {
            **unet_fields(configs, one["hidden_size"] + two["hidden_size"], "hidden_size of both text encoders"),
            "projection_class_embeddings_input_dim": OneOf(
                [pooled], source="projection_dim of text_encoder_2/config.json + 6 x addition_time_embed_dim"
            ),
        }

    def outer_layers(self, configs: Configs) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return the shapes of the layers at which components meet."""
        return outer_layers(configs)

    def check_size(self, config: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Raise InputError for latents that the UNet cannot halve on each of its levels."""
        check_unet_size(config, size)

    def latent_scale(self, folder: Path) -> int:
        """Pixels per latent. Raises InputError for other than 8: the UNet would be told a wrong size."""
        scale = super().latent_scale(folder)
        if scale != SCALE:
            raise InputError(
                f"{folder / 'vae' / 'config.json'}: block_out_channels: {scale} pixels per latent. "
                f"Accepted: {SCALE}, four levels"
            )
        return scale

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that both text encoders read of a caption."""
        return int(pipeline.tokenizer_2.model_max_length)

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption, its marks included."""
        return len(pipeline.tokenizer_2(caption, truncation=False, verbose=False).input_ids)

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        """Encode pixels to latents; some autoencoders name the mean and deviation of each channel."""
        config = pipeline.vae.config
        mean, deviation = config.get("latents_mean"), config.get("latents_std")
        if mean is None or deviation is None:
            return super().encode_images(pipeline, pixels)
        mode: Tensor = pipeline.vae.encode(pixels).latent_dist.mode()
        mean, deviation = (mode.new_tensor(values)[:, None, None] for values in (mean, deviation))
        return (mode - mean) * float(config["scaling_factor"]) / deviation

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (tokens, width) and pooled_prompt_embeds (width,)."""
        embeds, _, pooled, _ = pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False)
        if pipeline.config["force_zeros_for_empty_prompt"]:
            empty = [number for number, caption in enumerate(captions) if not caption]
            embeds[empty], pooled[empty] = 0.0, 0.0
        return {"prompt_embeds": list(embeds), "pooled_prompt_embeds": list(pooled)}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the UNet with latents, timesteps, prompt_embeds, the pooled vector and the size in pixels."""
        pooled = conditions["pooled_prompt_embeds"]
        height, width = (side * SCALE for side in noisy.shape[-2:])
        time_ids = pooled.new_tensor([height, width, 0, 0, height, width]).repeat(len(noisy), 1)
        prediction: Tensor = network(
            noisy,
            timesteps,
            conditions["prompt_embeds"],
            added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids},
            return_dict=False,
        )[0]
        return prediction

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds and a pooled vector of the UNet's widths."""
        import torch

        pooled = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        return {
            "prompt_embeds": torch.zeros(batch, tokens, config["cross_attention_dim"]),
            "pooled_prompt_embeds": torch.zeros(batch, pooled),
        }

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 200,000 parameters that draws 64 x 64 pixels."""
        import torch
        from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        from platen.families.tiny_parts import autoencoder, clip_config
        from platen.families.tiny_tokenizers import clip_tokenizer

        torch.manual_seed(seed)
        tokenizer = clip_tokenizer()
        StableDiffusionXLPipeline(
            vae=autoencoder(4, scaling_factor=0.13025),
            text_encoder=CLIPTextModel(clip_config(tokenizer)),
            text_encoder_2=CLIPTextModelWithProjection(clip_config(tokenizer, width=48, projection=24)),
            tokenizer=tokenizer,
            tokenizer_2=clip_tokenizer(),
            unet=UNet2DConditionModel(
                sample_size=8,
                block_out_channels=(8, 16),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=(1, 2),
                cross_attention_dim=32 + 48,
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + 24,
                norm_num_groups=8,
            ),
            scheduler=DDIMScheduler(
                beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
            ),
            add_watermarker=False,
        ).save_pretrained(out)


FAMILY = StableDiffusionXL()
