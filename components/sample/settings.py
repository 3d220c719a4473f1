"""What can be set of the sample."""

from __future__ import annotations

from pydantic import Field, model_validator

from platen.core.settings import Settings

REPAIRS = ("html", "email", "phone", "url", "control_characters", "exif_rotation")
DUPLICATES = ("exact_duplicate", "near_duplicate")
EACH = 2  # duplicates are planted this many times as often as the other faults


class SampleSettings(Settings):
    """Section `sample` of the settings file."""

    seed: int = Field(0, ge=0, description="Seed of every random choice; a whole number")
    pictures: int = Field(
        1000, ge=24, le=1200, description="Clean pictures, which survive the chain; a number from 24 to 1200"
    )
    faults: int = Field(
        6, ge=1, le=20, description="Samples with each planted fault (duplicates: twice as many); from 1 to 20"
    )
    web: bool = Field(
        True,
        description="Whether a sixth of the pictures, and addresses with faults, can only be fetched over HTTP; "
        "false where nothing serves them, as on a cluster",
    )
    host: str = Field("localhost", min_length=1, description="Host that urls.csv names: where the local server listens")
    port: int = Field(8765, ge=1, le=65535, description="Port of the local web server; a number from 1 to 65535")

    @model_validator(mode="after")
    def _room_for_faults(self) -> SampleSettings:
        needed = self.faults * (len(REPAIRS) + EACH * len(DUPLICATES))
        if self.pictures < needed:
            raise ValueError(f"faults {self.faults} need {needed} pictures; pictures is {self.pictures}")
        return self
