"""Stable Diffusion 1.x and 2.x (arXiv 2112.10752): a UNet with cross-attention to one CLIP text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.core.errors import InputError
from platen.families.base import Conditions
from platen.families.component_checks import Configs, check_levels
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber
from platen.families.stable_diffusion_checks import outer_layers, unet_fields

if TYPE_CHECKING:
    from torch import Tensor


class StableDiffusion(DiffusersFamily):
    """One text encoder, whose last hidden states the UNet reads; fixed length, no mask."""

    name = "stable-diffusion"
    pipelines = frozenset({"StableDiffusionPipeline"})
    network = "unet"
    network_class = "UNet2DConditionModel"
    samples_flow_match = False
    trains_text_encoder = True
    leaf_modules = ("ResnetBlock2D", "Transformer2DModel")

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a UNet reads latents, timesteps and one text encoder, and nothing else."""
        return (
            super().describes(config)
            and config.get("addition_embed_type") in (None, "text")
            and isinstance(config.get("cross_attention_dim", 1280), int)
        )

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a UNet that reads the autoencoder's latents and the text encoder's states, and nothing else."""
        check_levels(file, configs["unet"])
        width, source = configs["text_encoder"]["hidden_size"], "hidden_size of text_encoder/config.json"
        return {"addition_embed_type": OneOf([None, "text"]), **unet_fields(configs, width, source)}

    def outer_layers(self, configs: Configs) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return the shapes of the layers at which components meet."""
        return outer_layers(configs)

    def check_size(self, config: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Raise InputError for latents that the UNet cannot halve on each of its levels."""
        check_unet_size(config, size)

    def caption_tokens(self, folder: Path) -> int:
        """Tokens that the folder's text encoder reads."""
        if not (folder / "text_encoder" / "config.json").is_file():
            return self.default_tokens
        return int(self.read_config(folder, "text_encoder").get("max_position_embeddings", self.default_tokens))

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that the text encoder reads of a caption."""
        return int(pipeline.tokenizer.model_max_length)

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption, its marks included."""
        return len(pipeline.tokenizer(caption, truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (tokens, width)."""
        ids = token_ids(pipeline.tokenizer, captions).to(pipeline.device)
        return {"prompt_embeds": list(pipeline.text_encoder(ids)[0])}

    def encode_tokens(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to input_ids (tokens,)."""
        return {"input_ids": list(token_ids(pipeline.tokenizer, captions))}

    def build_text_encoder(self, folder: Path) -> Any:
        """Make the CLIP text encoder, its weights not loaded."""
        from transformers import CLIPTextConfig, CLIPTextModel

        return CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder"))

    def load_text_encoder(self, folder: Path) -> Any:
        """Make the CLIP text encoder with the folder's weights in fp32."""
        from transformers import CLIPTextModel

        from platen.families.diffusers_models import load_part

        return load_part(CLIPTextModel, folder / "text_encoder")

    def encode_ids(self, text_encoder: Any, conditions: Conditions) -> Conditions:
        """Encode input_ids to prompt_embeds."""
        return {"prompt_embeds": text_encoder(conditions["input_ids"])[0]}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the UNet with latents, timesteps and prompt_embeds."""
        prediction: Tensor = network(noisy, timesteps, conditions["prompt_embeds"], return_dict=False)[0]
        return prediction

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds of the UNet's width."""
        import torch

        return {"prompt_embeds": torch.zeros(batch, tokens, config["cross_attention_dim"])}

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 500,000 parameters that draws 64 x 64 pixels."""
        import torch
        from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
        from transformers import CLIPTextModel

        from platen.families.tiny_parts import clip_config
        from platen.families.tiny_tokenizers import clip_tokenizer

        torch.manual_seed(seed)
        tokenizer = clip_tokenizer()
        StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(16, 32),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                latent_channels=4,
                norm_num_groups=8,
            ),
            text_encoder=CLIPTextModel(clip_config(tokenizer)),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(
                sample_size=32,
                block_out_channels=(16, 32),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=32,
                attention_head_dim=4,
                norm_num_groups=8,
            ),
            scheduler=DDIMScheduler(
                beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(out)


def token_ids(tokenizer: Any, captions: Sequence[str]) -> Tensor:
    """Tokenize captions to ids (n, tokens), padded and cut to the length that the tokenizer names."""
    ids: Tensor = tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids


def check_unet_size(config: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Raise InputError for latents (height, width) that a UNet cannot halve on each of its levels."""
    shrinks = 2 ** (len(config.get("block_out_channels", (320, 640, 1280, 1280))) - 1)
    if any(side % shrinks for side in size):
        raise InputError(
            f"latents of {size[0]} x {size[1]}: accepted: multiples of {shrinks}, which this UNet halves down to 1"
        )


FAMILY = StableDiffusion()
