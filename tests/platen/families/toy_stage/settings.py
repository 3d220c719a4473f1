"""What can be set of toy."""

from __future__ import annotations

from pydantic import Field

from platen.core.settings import Settings


class ToySettings(Settings):
    """Section `toy` of the settings file."""

    unit: str = Field("share", description="Unit of the numbers that are counted")
