"""Settings of checkpoints. None of them changes the model."""

from __future__ import annotations

from pydantic import Field

from platen.settings import Settings


class CheckpointSettings(Settings):
    """When training is saved, and what is kept."""

    every: int = Field(500, ge=1, description="steps between two checkpoints")
    keep: int = Field(2, ge=1, description="newest checkpoints that are kept")
