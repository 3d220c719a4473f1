"""Convert a checkpoint in one file to a diffusers folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from diffusers import StableDiffusionPipeline

from platen.core.errors import InputError


def convert(checkpoint: Path, config: Path, out: Path) -> Path:
    """Write a single-file checkpoint as a diffusers folder.

    diffusers would fetch the configs from the hub; with a local folder nothing is fetched.

    Args:
        checkpoint: A safetensors file of a Stable Diffusion model.
        config: A diffusers folder whose configs and tokenizer are taken.
        out: Replaced if it exists.

    Raises:
        InputError: The checkpoint does not fit the configs.
    """
    try:
        pipeline = StableDiffusionPipeline.from_single_file(
            checkpoint, config=str(config), local_files_only=True, safety_checker=None, feature_extractor=None
        )
    except MemoryError:
        raise
    except Exception as error:  # on a checkpoint of another architecture diffusers raises what it likes
        raise InputError(f"{checkpoint}: does not fit the configs of {config}: {error}") from error
    shutil.rmtree(out, ignore_errors=True)
    pipeline.save_pretrained(out)
    return out
