"""What can be set of clean_images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.core.settings import Settings


class BucketSettings(Settings):
    """Pictures keep about their shape: each is cropped to the nearest of several, of about resolution² pixels."""

    max_ratio: float = Field(2.0, ge=1, le=4, description="Longest side over shortest of a training picture, 1 to 4")
    step: int = Field(
        64,
        ge=8,
        multiple_of=8,
        description="What both sides are multiples of, in pixels; a multiple of 8. 64 suits models whose "
        "autoencoder and network each shrink by 8",
    )


class CleanImagesSettings(Settings):
    """Section `clean_images` of the settings file."""

    resolution: int = Field(
        512, ge=16, le=2048, multiple_of=8, description="Side of the training pictures, in pixels; a multiple of 8"
    )
    buckets: BucketSettings | None = Field(None, description="Sizes by shape instead of squares; null for squares")
    min_side: int = Field(256, ge=1, description="Shorter side that a picture must have as it came, in pixels")
    max_pixels: int = Field(
        100_000_000, ge=1, le=1_000_000_000, description="Most pixels a picture may have, seen before it is decoded"
    )
    min_contrast: float = Field(
        2.0,
        ge=0,
        le=127,
        description="Contrast below which a picture is blank: standard deviation of its strongest channel, 0 to 127.5",
    )
    format: Literal["jpeg", "png", "webp"] = Field("jpeg", description="Of the training pictures: jpeg, png or webp")
    quality: int = Field(95, ge=1, le=100, description="Of jpeg and webp; 1 to 100")
    workers: int = Field(0, ge=0, le=256, exclude=True, description="Threads; 0 takes one for each core it may use")

    @model_validator(mode="after")
    def _square_is_a_bucket(self) -> CleanImagesSettings:
        if self.buckets and self.resolution % self.buckets.step:
            step = self.buckets.step
            raise ValueError(
                f"resolution {self.resolution} is not a multiple of buckets.step {step}; change one of them"
            )
        return self
