"""What can be set of clean_text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.core.settings import Settings


class CleanTextSettings(Settings):
    """Section `clean_text` of the settings file."""

    redaction: Literal["remove", "mark"] = Field(
        "remove", description="Addresses, e-mails and phone numbers: remove them, or mark their place as in [email]"
    )
    languages: tuple[str, ...] = Field(
        ("en",), description="Languages a caption may have; a list of ISO 639-1 codes, empty for any"
    )
    language_margin: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How much more probable another language must be for a caption to be dropped; 0 to 1",
    )
    min_words: int = Field(2, ge=1, description="Fewest words a caption may have")
    max_words: int = Field(100, ge=1, description="Most words a caption may have; CLIP reads about 60")

    @model_validator(mode="after")
    def _in_order(self) -> CleanTextSettings:
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self
