"""FLUX.2 dev (Black Forest Labs, 2025): as klein, but with Mistral 3 for captions and guidance distilled into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from platen.families.flux2 import Flux2


class Flux2Dev(Flux2):
    """Layers 10, 20 and 30 of Mistral 3; the strength of guidance is told to the network."""

    name = "flux2-dev"
    pipelines = frozenset({"Flux2Pipeline"})
    guidance: ClassVar[float | None] = 1.0

    def count_tokens(self, pipeline: Any, caption: str) -> int:
        """Count the tokens of a whole caption in its chat template, the system's message included."""
        from diffusers.pipelines.flux2.pipeline_flux2 import format_input

        (conversation,) = format_input([caption], system_message=pipeline.system_message)
        read = pipeline.tokenizer.apply_chat_template(
            [conversation], add_generation_prompt=False, tokenize=True, return_dict=True
        )
        return len(read["input_ids"][0])

    def tiny(self, out: Path, seed: int) -> None:
        """Write a model of some 100,000 parameters.

        Its tokenizer stands where the real model has a PixtralProcessor, which needs torchvision: the pipeline asks
        either only for the chat template.
        """
        import torch
        from diffusers import Flux2Pipeline
        from transformers import Mistral3Config, Mistral3ForConditionalGeneration

        from platen.families.tiny_parts import flow_scheduler, flux2_autoencoder, flux2_transformer
        from platen.families.tiny_tokenizers import mistral_tokenizer

        torch.manual_seed(seed)
        tokenizer = mistral_tokenizer()
        small = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "head_dim": 8}
        text = Mistral3Config(
            text_config={
                "model_type": "mistral",
                "vocab_size": len(tokenizer),
                "num_hidden_layers": 31,
                "num_key_value_heads": 1,
                **small,
            },
            vision_config={"model_type": "pixtral", "num_hidden_layers": 1, "image_size": 28, **small},
        )
        Flux2Pipeline(
            scheduler=flow_scheduler(),
            vae=flux2_autoencoder(),
            text_encoder=Mistral3ForConditionalGeneration(text),
            tokenizer=tokenizer,
            transformer=flux2_transformer(joint_attention_dim=3 * small["hidden_size"], guidance_embeds=True),
        ).save_pretrained(out)


FAMILY = Flux2Dev()
