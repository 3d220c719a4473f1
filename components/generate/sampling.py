"""Making pictures with a text-to-image pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from platen.components.generate.prompts import Prompt
from platen.devices import pick_device
from platen.errors import InputError
from platen.unmoderated import without_checker


def load_pipeline(model: Path, precision: str) -> Any:
    """The model's pipeline without its safety checker, on the accelerator where there is one.

    Raises InputError for a folder that diffusers cannot load.
    """
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging

    logging.disable_progress_bar()  # of the loading of five files
    try:
        pipeline = DiffusionPipeline.from_pretrained(model, dtype=getattr(torch, precision), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{model}: not a model that diffusers loads: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    return without_checker(pipeline).to(pick_device("auto", "generate"))


def sample_pictures(
    pipeline: Any, prompts: Sequence[Prompt], steps: int, guidance_scale: float, size: int | None = None
) -> list[Image.Image]:
    """Make one picture a prompt, all in one batch.

    The noise of a picture depends on its seed alone: it is drawn on the processor, as the server does, so that it is
    the same on every device and in every batch.

    Args:
        pipeline: A text-to-image pipeline of diffusers.
        prompts: With the seed of each picture.
        steps: Denoising steps.
        guidance_scale: 1 or less turns guidance off.
        size: Side in pixels; None for the size that the model was trained at.
    """
    generators = [torch.Generator("cpu").manual_seed(prompt.seed) for prompt in prompts]
    output = pipeline(
        [prompt.prompt for prompt in prompts],
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        height=size,
        width=size,
        generator=generators,
    )
    return list(output.images)
