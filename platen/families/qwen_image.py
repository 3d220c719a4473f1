"""Qwen-Image (arXiv 2508.02324): a transformer over packed latents and hidden states of Qwen 2.5 VL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.families.base import MASK, Conditions
from platen.families.component_checks import Configs
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber
from platen.families.packing import pack, unpack

if TYPE_CHECKING:
    from torch import Tensor


class QwenImage(DiffusersFamily):
    """Qwen's last hidden states of the caption in its template, without the system's message, and their mask.

    The autoencoder is one of videos; latents are stored without the frame's dimension. The empty caption is read as
    the negative prompt " " that the model is used with, since the pipeline has none of its own.

    Attributes:
        default_tokens: The pipeline's max_sequence_length, with the template's tokens that follow the caption.
    """

    name = "qwen-image"
    pipelines = frozenset({"QwenImagePipeline"})
    network_class = "QwenImageTransformer2DModel"
    autoencoder_class = "AutoencoderKLQwenImage"
    autoencoder_channels: ClassVar[tuple[str, int]] = ("z_dim", 16)
    packed: ClassVar[int] = 4
    default_tokens: ClassVar[int] = 512
    variable_length = frozenset({"prompt_embeds"})
    leaf_modules = ("QwenImageTransformerBlock",)
    default_patch: ClassVar[int] = 2
    lora_targets = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer of the text encoder's width."""
        width = configs["text_encoder"]["hidden_size"]
        return {
            **super().network_fields(file, configs),
            "joint_attention_dim": OneOf([width], source="hidden_size of text_encoder/config.json"),
        }

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that the transformer reads of a caption and what follows it in the template."""
        return self.default_tokens

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption and of what follows it in the template."""
        text = pipeline.prompt_template_encode.format(caption or " ")
        ids = pipeline.tokenizer(text, truncation=False, verbose=False).input_ids
        return len(ids) - int(pipeline.prompt_template_encode_start_idx)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (tokens, width), one by one: in a batch the pipeline pads them."""
        encoded = [
            pipeline.encode_prompt(caption or " ", device=pipeline.device, max_sequence_length=self.default_tokens)
            for caption in captions
        ]
        return {"prompt_embeds": [embeds[0] for embeds, _ in encoded]}

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        """Encode pixels to latents: the mode of videos of one frame, normalized by channel."""
        config = pipeline.vae.config
        mode: Tensor = pipeline.vae.encode(pixels.unsqueeze(2)).latent_dist.mode().squeeze(2)
        mean, std = (mode.new_tensor(config[name])[:, None, None] for name in ("latents_mean", "latents_std"))
        return (mode - mean) / std

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with packed latents, their size in tokens, and a mask where captions are padded."""
        n, _, height, width = noisy.shape
        mask = conditions["prompt_embeds" + MASK]
        prediction: Tensor = network(
            hidden_states=pack(noisy),
            timestep=timesteps / 1000,
            encoder_hidden_states=conditions["prompt_embeds"],
            encoder_hidden_states_mask=None if mask.is_meta or bool(mask.all()) else mask,
            img_shapes=[[(1, height // 2, width // 2)]] * n,
            return_dict=False,
        )[0]
        return unpack(prediction, height, width)

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds of the transformer's width, none of them padded."""
        import torch

        return {
            "prompt_embeds": torch.zeros(batch, tokens, config["joint_attention_dim"]),
            "prompt_embeds" + MASK: torch.ones(batch, tokens, dtype=torch.bool),
        }

    def latent_channels(self, config: Any) -> int:
        """Channels of the latents; the network's are those of 2 x 2."""
        return int(config["in_channels"]) // 4

    def latent_scale(self, folder: Path) -> int:
        """Pixels per latent: the autoencoder halves as often as it names whether it halves time too."""
        return int(2 ** len(self.read_config(folder, "vae")["temperal_downsample"]))

    def generation_arguments(self, guidance_scale: float, images: int = 1) -> dict[str, Any]:
        """Name the pipeline's arguments: it guides only away from a negative prompt."""
        if guidance_scale <= 1:
            return {"true_cfg_scale": 1.0}
        return {"true_cfg_scale": guidance_scale, "negative_prompt": [" "] * images}

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 100,000 parameters."""
        import torch
        from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
        from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

        from platen.families.tiny_parts import flow_scheduler
        from platen.families.tiny_tokenizers import qwen_tokenizer

        torch.manual_seed(seed)
        tokenizer = qwen_tokenizer()
        text = Qwen2_5_VLConfig(
            text_config={
                "vocab_size": len(tokenizer),
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
                "bos_token_id": None,
                "eos_token_id": None,
            },
            vision_config={
                "depth": 1,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 32,
                "fullatt_block_indexes": [0],
            },
        )
        QwenImagePipeline(
            scheduler=flow_scheduler(),
            vae=AutoencoderKLQwenImage(
                base_dim=4,
                z_dim=4,
                dim_mult=[1, 2],
                num_res_blocks=1,
                temperal_downsample=[False],
                latents_mean=[-0.7571, -0.7089, -0.9113, 0.1075],
                latents_std=[2.8184, 1.4541, 2.3275, 2.6558],
            ),
            text_encoder=Qwen2_5_VLForConditionalGeneration(text),
            tokenizer=tokenizer,
            transformer=QwenImageTransformer2DModel(
                in_channels=16,
                out_channels=4,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=32,
                axes_dims_rope=(4, 6, 6),
            ),
        ).save_pretrained(out)


FAMILY = QwenImage()
