"""PixArt-Sigma (arXiv 2403.04692): a transformer with cross-attention to T5, which predicts a variance too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.families.base import MASK, Conditions
from platen.families.component_checks import Configs
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 300
"""Tokens that the pipeline has T5 read."""


class PixArtSigma(DiffusersFamily):
    """T5's last hidden states of each caption's own length, with a mask; the variance is not trained."""

    name = "pixart-sigma"
    pipelines = frozenset({"PixArtSigmaPipeline"})
    network_class = "PixArtTransformer2DModel"
    earlier_classes: ClassVar[tuple[str, ...]] = ("Transformer2DModel",)
    default_tokens = TOKENS
    variable_length = frozenset({"prompt_embeds"})
    leaf_modules = ("BasicTransformerBlock",)
    default_patch: ClassVar[int] = 2
    takes_adapters = False  # neither the pipeline nor the network in diffusers loads any

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a network is a PixArt transformer that isn't told the size of the image, as PixArt-Alpha's may be."""
        # the first ones published name the class that held all transformers then; diffusers goes by norm_type
        earlier = config.get("_class_name") == "Transformer2DModel" and config.get("norm_type") == "ada_norm_single"
        sized = config.get("use_additional_conditions")
        if sized is None:
            sized = config.get("sample_size") == 128
        return (earlier or super().describes(config)) and not sized

    def generation_arguments(self, guidance_scale: float, images: int = 1) -> dict[str, Any]:
        """Name the pipeline's arguments: images of the very size asked for, captions as they were encoded."""
        return {"guidance_scale": guidance_scale, "use_resolution_binning": False, "clean_caption": False}

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer of the text encoder's width."""
        width = configs["text_encoder"]["d_model"]
        return {
            **super().network_fields(file, configs),
            "caption_channels": OneOf([width], source="d_model of text_encoder/config.json"),
        }

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that T5 reads of a caption."""
        return TOKENS

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption, its mark included."""
        return len(pipeline.tokenizer(caption.lower().strip(), truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions, in lower case, to prompt_embeds (tokens, width)."""
        embeds, masks, _, _ = pipeline.encode_prompt(
            list(captions), do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return {"prompt_embeds": [row[mask.bool()] for row, mask in zip(embeds, masks, strict=True)]}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with latents, timesteps, prompt_embeds and their mask; drop the variance."""
        prediction: Tensor = network(
            noisy,
            encoder_hidden_states=conditions["prompt_embeds"],
            encoder_attention_mask=conditions["prompt_embeds" + MASK],
            timestep=timesteps,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return prediction[:, : noisy.shape[1]]

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds of the transformer's width, and their mask."""
        import torch

        return {
            "prompt_embeds": torch.zeros(batch, tokens, config["caption_channels"]),
            "prompt_embeds" + MASK: torch.ones(batch, tokens, dtype=torch.bool),
        }

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 100,000 parameters that draws 64 x 64 pixels."""
        import torch
        from diffusers import DDIMScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel
        from transformers import T5EncoderModel

        from platen.families.tiny_parts import autoencoder, t5_config
        from platen.families.tiny_tokenizers import t5_tokenizer

        torch.manual_seed(seed)
        tokenizer = t5_tokenizer()
        PixArtSigmaPipeline(
            tokenizer=tokenizer,
            text_encoder=T5EncoderModel(t5_config(tokenizer)),
            vae=autoencoder(4, scaling_factor=0.13025),
            transformer=PixArtTransformer2DModel(
                num_attention_heads=2,
                attention_head_dim=16,
                num_layers=2,
                cross_attention_dim=32,
                attention_bias=True,
                sample_size=8,
                caption_channels=32,
                use_additional_conditions=False,
            ),
            scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False),
        ).save_pretrained(out)


FAMILY = PixArtSigma()
