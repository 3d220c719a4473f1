"""The tiny model as Stable Diffusion 1.x comes: with a safety checker, here one that flags every picture."""

from __future__ import annotations

from pathlib import Path


def write_flagging_model(folder: Path, tiny_model: Path) -> None:
    """A diffusers folder whose pipeline makes nothing but black pictures while its checker is in it."""
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessorPil

    size = {"height": 32, "width": 32}
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config={**small, "image_size": 32, "patch_size": 16}, projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-1.0)  # a likeness above -1 flags: every picture's is
    pipeline = StableDiffusionPipeline.from_pretrained(
        tiny_model,
        safety_checker=checker,
        feature_extractor=CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size),
        requires_safety_checker=True,
    )
    pipeline.save_pretrained(folder)
