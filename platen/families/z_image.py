"""Z-Image (Tongyi-MAI, 2025): one stream of latents and Qwen 3 embeddings, whose time runs from noise to image."""

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


class ZImage(DiffusersFamily):
    """The hidden states before Qwen 3's last layer, as long as the caption in its chat template.

    Attributes:
        default_tokens: The pipeline's max_sequence_length, the chat template's tokens included.
    """

    name = "z-image"
    pipelines = frozenset({"ZImagePipeline"})
    network_class = "ZImageTransformer2DModel"
    variable_length = frozenset({"prompt_embeds"})
    default_tokens: ClassVar[int] = 512
    leaf_modules = ("ZImageTransformerBlock",)

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer of the text encoder's width."""
        width = configs["text_encoder"]["hidden_size"]
        return {
            **super().network_fields(file, configs),
            "cap_feat_dim": OneOf([width], source="hidden_size of text_encoder/config.json"),
        }

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that Qwen reads of a caption in its chat template."""
        return self.default_tokens

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption in its chat template."""
        text = pipeline.tokenizer.apply_chat_template(
            [{"role": "user", "content": caption}], tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        return len(pipeline.tokenizer(text, truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (tokens, width)."""
        embeds, _ = pipeline.encode_prompt(
            list(captions),  # the pipeline overwrites what it is given
            device=pipeline.device,
            do_classifier_free_guidance=False,
            max_sequence_length=self.default_tokens,
        )
        return {"prompt_embeds": embeds}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with lists of latents and captions; its time and its velocity run the other way."""
        import torch

        captions, mask = conditions["prompt_embeds"], conditions["prompt_embeds" + MASK]
        lengths = [mask.shape[1]] * len(mask) if mask.is_meta else mask.sum(1).tolist()
        predictions = network(
            list(noisy.unsqueeze(2)),
            (1000 - timesteps) / 1000,
            [embeds[:length] for embeds, length in zip(captions, lengths, strict=True)],
            return_dict=False,
        )[0]
        return -torch.stack(predictions).squeeze(2)

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds of the transformer's width, none of them padded."""
        import torch

        return {
            "prompt_embeds": torch.zeros(batch, tokens, config["cap_feat_dim"]),
            "prompt_embeds" + MASK: torch.ones(batch, tokens, dtype=torch.bool),
        }

    def patch_size(self, config: Mapping[str, Any]) -> int:
        """Latents of a token, in height and width: what the pipeline asks for of those in the configuration."""
        return 2

    def generation_arguments(self, guidance_scale: float, images: int = 1) -> dict[str, Any]:
        """Name the pipeline's argument, which is off at 0: it adds guidance to the caption's own prediction."""
        return {"guidance_scale": max(guidance_scale - 1, 0)}

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 150,000 parameters."""
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
        from transformers import Qwen3Config, Qwen3Model

        from platen.families.tiny_parts import flux_autoencoder
        from platen.families.tiny_tokenizers import qwen_tokenizer

        torch.manual_seed(seed)
        tokenizer = qwen_tokenizer()
        text = Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
        )
        ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=flux_autoencoder(),
            text_encoder=Qwen3Model(text),
            tokenizer=tokenizer,
            transformer=ZImageTransformer2DModel(
                in_channels=4,
                dim=32,
                n_layers=2,
                n_refiner_layers=1,
                n_heads=2,
                n_kv_heads=2,
                cap_feat_dim=32,
                axes_dims=[4, 6, 6],
                axes_lens=[1024, 64, 64],
            ),
        ).save_pretrained(out)


FAMILY = ZImage()
