"""FLUX.2 klein (Black Forest Labs, 2026): a transformer over latents of 2 x 2 and hidden layers of Qwen 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.families.base import Conditions
from platen.families.component_checks import Configs
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber

if TYPE_CHECKING:
    from torch import Tensor


class Flux2(DiffusersFamily):
    """Stacked hidden layers of a language model that read the caption in a chat template; fixed length, no mask.

    Latents are those of 2 x 2 places of the autoencoder, normalized as the pipeline does.

    Attributes:
        default_tokens: The pipeline's max_sequence_length, the chat template's tokens included.
        guidance: What the pipeline tells the network, if anything: 1.0 in training; see `platen.families.flux`.
    """

    network_class = "Flux2Transformer2DModel"
    autoencoder_class = "AutoencoderKLFlux2"
    autoencoder_channels: ClassVar[tuple[str, int]] = ("latent_channels", 32)
    packed: ClassVar[int] = 4
    leaf_modules = ("Flux2TransformerBlock", "Flux2SingleTransformerBlock")
    lora_targets = (
        *("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
        "to_qkv_mlp_proj",  # of the single blocks; their to_out cannot be named by its end
    )
    default_tokens: ClassVar[int] = 512
    guidance: ClassVar[float | None] = None

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer that reads three of the text encoder's layers side by side."""
        width = 3 * configs["text_encoder"]["hidden_size"]
        return {
            **super().network_fields(file, configs),
            "joint_attention_dim": OneOf([width], source="3 x hidden_size of text_encoder/config.json"),
        }

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that the text encoder reads of a caption in its chat template."""
        return self.default_tokens

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to prompt_embeds (512, 3 x width)."""
        embeds, _ = pipeline.encode_prompt(
            list(captions), device=pipeline.device, max_sequence_length=self.default_tokens
        )
        return {"prompt_embeds": list(embeds)}

    def encode_images(self, pipeline: Any, pixels: Tensor) -> Tensor:
        """Encode pixels to latents: the mode in patches of 2 x 2, normalized by the running statistics."""
        latents: Tensor = pipeline._encode_vae_image(pixels, generator=None)
        return latents

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with latents as tokens, the places of all tokens and timesteps from 0 to 1."""
        import torch

        n, _, height, width = noisy.shape
        embeds = conditions["prompt_embeds"]
        zero = torch.zeros(1, device=noisy.device, dtype=torch.int64)
        rows, columns, words = (torch.arange(size, device=noisy.device) for size in (height, width, embeds.shape[1]))
        prediction: Tensor = network(
            hidden_states=noisy.flatten(2).transpose(1, 2),
            timestep=timesteps / 1000,
            guidance=None if self.guidance is None else torch.full((n,), self.guidance, device=noisy.device),
            encoder_hidden_states=embeds,
            txt_ids=torch.cartesian_prod(zero, zero, zero, words).expand(n, -1, -1),
            img_ids=torch.cartesian_prod(zero, rows, columns, zero).expand(n, -1, -1),
            return_dict=False,
        )[0]
        return prediction.transpose(1, 2).reshape(noisy.shape)

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make prompt_embeds of the transformer's width."""
        import torch

        return {"prompt_embeds": torch.zeros(batch, tokens, config["joint_attention_dim"])}

    def describes(self, config: Mapping[str, Any]) -> bool:
        """Whether a network is told the strength of guidance as this family's are."""
        told = bool(config.get("guidance_embeds", True))
        return super().describes(config) and told == (self.guidance is not None)

    def latent_scale(self, folder: Path) -> int:
        """Pixels per latent, those of 2 x 2 places of the autoencoder."""
        return 2 * super().latent_scale(folder)


class Klein(Flux2):
    """Layers 9, 18 and 27 of Qwen 3; guidance, unless the model is distilled, by a second prediction."""

    name = "flux2-klein"
    pipelines = frozenset({"Flux2KleinPipeline"})

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption in its chat template."""
        text = pipeline.tokenizer.apply_chat_template(
            [{"role": "user", "content": caption}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return len(pipeline.tokenizer(text, truncation=False, verbose=False).input_ids)

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 100,000 parameters that is not distilled, as the klein base models."""
        import torch
        from diffusers import Flux2KleinPipeline
        from transformers import Qwen3Config, Qwen3ForCausalLM

        from platen.families.tiny_parts import flow_scheduler, flux2_autoencoder, flux2_transformer
        from platen.families.tiny_tokenizers import qwen_tokenizer

        torch.manual_seed(seed)
        tokenizer = qwen_tokenizer()
        text = Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            tie_word_embeddings=True,
        )
        Flux2KleinPipeline(
            scheduler=flow_scheduler(),
            vae=flux2_autoencoder(),
            text_encoder=Qwen3ForCausalLM(text),
            tokenizer=tokenizer,
            transformer=flux2_transformer(joint_attention_dim=3 * text.hidden_size, guidance_embeds=False),
        ).save_pretrained(out)


FAMILY = Klein()
