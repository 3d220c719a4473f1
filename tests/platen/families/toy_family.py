"""A family that Platen does not have, PixArt-α: what a contributor writes, in one file. See test_new_siblings.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.families.base import MASK, Conditions
from platen.families.diffusers_family import DiffusersFamily

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 120


class Toy(DiffusersFamily):
    """A transformer that reads T5's hidden states with a mask, and predicts a variance that is not trained."""

    name = "toy"
    pipelines = frozenset({"PixArtAlphaPipeline"})
    network_class = "PixArtTransformer2DModel"
    variable_length = frozenset({"prompt_embeds"})
    leaf_modules = ("BasicTransformerBlock",)
    takes_adapters = False
    default_tokens = TOKENS

    def generation_arguments(self, guidance_scale: float, images: int = 1) -> dict[str, Any]:
        """Name the pipeline's arguments: images of the very size asked for."""
        return {"guidance_scale": guidance_scale, "use_resolution_binning": False, "clean_caption": False}

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that T5 reads of a caption."""
        return TOKENS

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption, its mark included."""
        return len(pipeline.tokenizer(caption.lower().strip(), truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (tokens, width)."""
        embeds, masks, _, _ = pipeline.encode_prompt(
            list(captions), do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return {"prompt_embeds": [row[mask.bool()] for row, mask in zip(embeds, masks, strict=True)]}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer, and drop the variance."""
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
        """Write a small random model."""
        import torch
        from diffusers import DDIMScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel
        from transformers import T5EncoderModel

        from platen.families.tiny_parts import autoencoder, t5_config
        from platen.families.tiny_tokenizers import t5_tokenizer

        torch.manual_seed(seed)
        tokenizer = t5_tokenizer()
        PixArtAlphaPipeline(
            tokenizer=tokenizer,
            text_encoder=T5EncoderModel(t5_config(tokenizer)),
            vae=autoencoder(4, scaling_factor=0.18215),
            transformer=PixArtTransformer2DModel(
                num_attention_heads=2,
                attention_head_dim=16,
                num_layers=1,
                cross_attention_dim=32,
                sample_size=8,
                caption_channels=32,
                use_additional_conditions=False,
            ),
            scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False),
        ).save_pretrained(out)


FAMILY = Toy()
