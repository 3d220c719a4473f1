"""Settings of checkpoints. None of them changes the model."""

from __future__ import annotations

from pydantic import Field

from platen.core.settings import Settings


class CheckpointSettings(Settings):
    """When training is saved, and what is kept."""

    every: int = Field(500, ge=1, description="steps between two checkpoints")
    keep_last: int = Field(2, ge=1, description="newest checkpoints that are kept")
    keep_every: int | None = Field(
        None, ge=1, description="checkpoints whose step is a multiple of this are kept as well; null: none"
    )
    keep_best: int = Field(
        0, ge=0, description="checkpoints that are kept as well, by the mean loss of the steps since the one before"
    )
