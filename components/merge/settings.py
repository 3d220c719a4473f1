"""What can be set of merge."""

from __future__ import annotations

from pydantic import Field, model_validator

from platen.core.settings import Settings


class SplitShares(Settings):
    """Which share of the samples goes where; together 1."""

    train: float = Field(0.90, gt=0, le=1, description="What the model is trained on; a share from 0 to 1")
    validation: float = Field(0.05, ge=0, lt=1, description="What training never sees, for the loss; a share")
    test: float = Field(0.05, ge=0, lt=1, description="What the final evaluation compares with; a share")

    @model_validator(mode="after")
    def _whole(self) -> SplitShares:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test add up to {total:g}, not to 1")
        return self


class MergeSettings(Settings):
    """Section `merge` of the settings file."""

    max_distance: int = Field(
        12, ge=-1, le=31, description="Perceptual hashes that differ in more bits are no duplicates; -1 looks for none"
    )
    near_duplicate_rms: float = Field(
        7.5, ge=0, le=255, description="Root mean square difference above which pictures are no duplicates; of 255"
    )
    split: SplitShares = Field(SplitShares(), description="How the samples are divided, by the hash of their key")
