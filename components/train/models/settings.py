"""Settings of what of a model is trained."""

from __future__ import annotations

from pydantic import Field

from platen.errors import SettingsError
from platen.settings import Settings


class LoraSettings(Settings):
    """Low-rank adapters (arXiv 2106.09685) beside some layers of the UNet, whose own weights stay as they are."""

    rank: int = Field(16, ge=1, description="of an adapter's two matrices, 1 or more")
    alpha: float = Field(16.0, gt=0, description="an adapter's output is multiplied by alpha / rank, above 0")
    targets: tuple[str, ...] = Field(
        ("to_q", "to_k", "to_v", "to_out.0"), min_length=1, description="ends of the names of the layers that get one"
    )


def check_captions(lora: LoraSettings | None, *, as_tokens: bool) -> None:
    """Raise SettingsError where adapters are to be trained, and captions are encoded to train the text encoder too."""
    if lora and as_tokens:
        problem = "adapters leave the text encoder as it is, but captions were encoded as token ids, to train it"
        raise SettingsError("train.lora", problem, "null, or encode.text: embeddings")
