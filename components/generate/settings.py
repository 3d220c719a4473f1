"""What can be set of generate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from platen.core.settings import Settings


class GenerateSettings(Settings):
    """Section `generate` of the settings file."""

    prompts: str = Field(
        "prompts.jsonl",
        exclude=True,  # what is in the file counts, not where it lies: see `outside`
        description='A prompt file, a path or gs://: JSON lines {"prompt": ..., "seed": ..., "group": ...}, or text, '
        "one prompt a line",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the first prompt without one; the next has one more")
    steps: int = Field(25, ge=1, le=1000, description="Denoising steps a picture")
    guidance_scale: float = Field(2.0, ge=0, le=50, description="Classifier-free guidance; 1 or less turns it off")
    size: int | None = Field(
        None,
        ge=8,
        le=4096,
        multiple_of=8,  # of every family; some want more, which the stage checks
        description="Side of the images in pixels, a multiple of 8 (some families: 16 or 32); none: the size that the "
        "model was trained at",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field("float32", description="Type the model computes in")
    batch_size: int = Field(16, ge=1, le=1024, description="Pictures at once; changes the last bits of a picture")
    threads: int = Field(2, ge=1, le=256, description="Processor threads; changes the last bits of a picture")
