"""FLUX.1 (Black Forest Labs, 2024): a transformer over packed latents and T5 embeddings, with CLIP's pooled one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from platen.families.base import Conditions
from platen.families.component_checks import Configs
from platen.families.diffusers_family import DiffusersFamily
from platen.families.layout import OneOf, WholeNumber
from platen.families.packing import pack, unpack

if TYPE_CHECKING:
    from torch import Tensor


class Flux(DiffusersFamily):
    """T5's hidden states of fixed length without a mask, and CLIP's pooled output.

    Attributes:
        default_tokens: The pipeline's max_sequence_length, to which T5's tokens are padded.
        guidance: What a guidance-distilled network is told while it is trained. At 1.0 it keeps what was distilled
            into it, and images are drawn with guidance as before (black-forest-labs/flux issue 79; the default of
            SimpleTuner, and what sd-scripts recommends).
    """

    name = "flux"
    pipelines = frozenset({"FluxPipeline"})
    network_class = "FluxTransformer2DModel"
    leaf_modules = ("FluxTransformerBlock", "FluxSingleTransformerBlock")
    lora_targets = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
    packed: ClassVar[int] = 4
    text_parts: ClassVar[tuple[str, ...]] = ("text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2")
    default_tokens: ClassVar[int] = 512
    guidance: ClassVar[float] = 1.0

    def network_fields(self, file: Path, configs: Configs) -> dict[str, OneOf | WholeNumber]:
        """Accept a transformer of T5's width and that of CLIP's pooled output."""
        return {
            **super().network_fields(file, configs),
            "joint_attention_dim": OneOf(
                [configs["text_encoder_2"]["d_model"]], source="d_model of text_encoder_2/config.json"
            ),
            "pooled_projection_dim": OneOf(
                [configs["text_encoder"]["hidden_size"]], source="hidden_size of text_encoder/config.json"
            ),
        }

    def max_tokens(self, pipeline: Any) -> int:
        """Tokens that T5 reads of a caption."""
        return self.default_tokens

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count T5's tokens of a whole caption, its end included."""
        return len(pipeline.tokenizer_2(caption, truncation=False, verbose=False).input_ids)

    def encode_captions(self, pipeline: Any, captions: Sequence[str]) -> dict[str, list[Tensor]]:
        """Encode captions to T5's prompt_embeds (512, width) and CLIP's pooled_prompt_embeds (width)."""
        embeds, pooled, _ = pipeline.encode_prompt(
            list(captions), device=pipeline.device, max_sequence_length=self.default_tokens
        )
        return {"prompt_embeds": list(embeds), "pooled_prompt_embeds": list(pooled)}

    def predict(self, network: Any, noisy: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """Call the transformer with packed latents, the places of their tokens and timesteps from 0 to 1."""
        import torch

        height, width = noisy.shape[2:]
        embeds = conditions["prompt_embeds"]
        rows = torch.arange(height // 2, device=noisy.device, dtype=torch.float32)
        columns = torch.arange(width // 2, device=noisy.device, dtype=torch.float32)
        prediction: Tensor = network(
            hidden_states=pack(noisy),
            timestep=timesteps / 1000,
            guidance=torch.full((len(noisy),), self.guidance, device=noisy.device)
            if network.config["guidance_embeds"]
            else None,
            pooled_projections=conditions["pooled_prompt_embeds"],
            encoder_hidden_states=embeds,
            txt_ids=torch.zeros(embeds.shape[1], 3, device=noisy.device),
            img_ids=torch.cartesian_prod(rows.new_zeros(1), rows, columns),
            return_dict=False,
        )[0]
        return unpack(prediction, height, width)

    def example_conditions(self, config: Any, batch: int, size: tuple[int, int], tokens: int) -> dict[str, Tensor]:
        """Make embeddings of the transformer's widths."""
        import torch

        return {
            "prompt_embeds": torch.zeros(batch, tokens, config["joint_attention_dim"]),
            "pooled_prompt_embeds": torch.zeros(batch, config["pooled_projection_dim"]),
        }

    def latent_channels(self, config: Any) -> int:
        """Channels of the latents; the network's are those of 2 x 2."""
        return int(config["in_channels"]) // 4

    def patch_size(self, config: Mapping[str, Any]) -> int:
        """Latents of a token, in height and width, which the configuration does not say."""
        return 2

    def tiny(self, out: Path, seed: int) -> None:
        """Write a guidance-distilled model of some 150,000 parameters."""
        import torch
        from diffusers import FluxPipeline, FluxTransformer2DModel
        from transformers import CLIPTextModel, T5EncoderModel

        from platen.families.tiny_parts import clip_config, flow_scheduler, flux_autoencoder, t5_config
        from platen.families.tiny_tokenizers import clip_tokenizer, t5_tokenizer

        torch.manual_seed(seed)
        tokenizer, tokenizer_2 = clip_tokenizer(), t5_tokenizer()
        FluxPipeline(
            scheduler=flow_scheduler(),
            vae=flux_autoencoder(),
            text_encoder=CLIPTextModel(clip_config(tokenizer)),
            tokenizer=tokenizer,
            text_encoder_2=T5EncoderModel(t5_config(tokenizer_2)),
            tokenizer_2=tokenizer_2,
            transformer=FluxTransformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=32,
                pooled_projection_dim=32,
                guidance_embeds=True,
                axes_dims_rope=(4, 6, 6),
            ),
        ).save_pretrained(out)


FAMILY = Flux()
