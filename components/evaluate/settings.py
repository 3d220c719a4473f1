"""What can be set of evaluate."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from platen.core.settings import Settings


class Value(Settings):
    """One value that an attribute can take."""

    value: str = Field(min_length=1, description="The value's name, as captions and prompts spell it: red")
    prompts: tuple[str, ...] = Field(
        min_length=1, description="Texts that describe a picture with this value; their embeddings are averaged"
    )
    reference: float = Field(ge=0, le=1, description="The share of pictures that should have this value, 0 to 1")


class EvaluateSettings(Settings):
    """Section `evaluate` of the settings file."""

    extractor: str = Field(
        "clip",
        min_length=1,
        description="What FID, KID and memorisation see with: clip (the model's own clip/), inception, "
        "or a folder or hub id of a CLIP or DINOv2 model",
    )
    max_training: int = Field(2000, ge=1, description="Training pictures to compare with at most")
    max_held_out: int = Field(500, ge=1, description="Validation and test pictures to use at most")
    min_samples: int = Field(20, ge=2, description="Pictures below which a measure says insufficient data, no number")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of every interval, 0.5 to 1")
    timesteps: int = Field(4, ge=1, le=100, description="Noise levels of each held-out picture for the held-out loss")
    kid_subsets: int = Field(50, ge=2, le=10_000, description="Subsets that KID is averaged over")
    memorised_quantile: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="A picture counts as memorised where it is closer to a training picture than this share of the "
        "training pictures are to each other",
    )
    closest_pairs: int = Field(6, ge=0, le=100, description="Pairs of generated and training picture to keep")
    neutral_group: str = Field("neutral", description="Group of the prompts that leave attributes open")
    attributes: dict[str, tuple[Value, ...]] = Field(
        default_factory=dict, description="Bias: attribute to its values, each with value, prompts and reference"
    )
    margin: float = Field(
        0.1, ge=0, lt=1, description="Lead in probability below which the judge of an attribute abstains"
    )
    bootstraps: int = Field(
        1000, ge=100, le=100_000, description="Samples drawn at each distance that is tried for the bias interval"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the noise, the choice of pictures and the resamples")
    batch_size: int = Field(32, ge=1, le=4096, description="Pictures at once; changes the last bits of a number")
    threads: int = Field(2, ge=1, le=256, description="Processor threads; changes the last bits of a number")

    @model_validator(mode="after")
    def _attributes_can_be_measured(self) -> Self:
        for name, values in self.attributes.items():
            if len({value.value for value in values}) < max(2, len(values)):
                raise ValueError(f"attributes.{name}: needs two values or more, each with a name of its own")
            total = math.fsum(value.reference for value in values)
            if abs(total - 1) > 0.01:
                raise ValueError(f"attributes.{name}: the reference shares add up to {total:g}, not to 1")
        return self
