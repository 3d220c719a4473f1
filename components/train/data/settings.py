"""Settings of what is trained on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from platen.core.settings import Settings

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DataSettings(Settings):
    """How often each source of samples is seen."""

    weights: dict[str, Weight] = Field(
        {},
        description="how often each source is seen, 0 or more, in any unit, e.g. {photos: 3, https://example.com: 1}; "
        "a folder below the source folder, or the beginning of a URL; empty: each sample once an epoch",
    )

    @field_validator("weights")
    @classmethod
    def _something_counts(cls, weights: dict[str, float]) -> dict[str, float]:
        if weights and not any(weights.values()):
            raise ValueError("every weight is 0; give one that is above it")
        return weights
