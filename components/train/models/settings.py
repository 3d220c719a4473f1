"""Settings of what of a model is trained."""

from __future__ import annotations

from pydantic import Field

from platen.core.errors import SettingsError
from platen.core.settings import Settings
from platen.families.base import Family


class LoraSettings(Settings):
    """Low-rank adapters (arXiv 2106.09685) beside some layers of the network, whose own weights stay as they are."""

    rank: int = Field(16, ge=1, description="of an adapter's two matrices, 1 or more")
    alpha: float = Field(16.0, gt=0, description="an adapter's output is multiplied by alpha / rank, above 0")
    targets: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="ends of the names of the layers that get one; null: the attention's, as the family has it",
    )


def check_adapters(lora: LoraSettings | None, family: Family, *, as_tokens: bool) -> None:
    """Raise SettingsError if adapters do not go with the model or the captions.

    Args:
        lora: null where no adapters are trained.
        family: Of the base model.
        as_tokens: Whether captions were encoded to train the text encoder too.
    """
    if lora and not family.takes_adapters:
        raise SettingsError("train.lora", f"the network of {family.name} takes no adapters in diffusers", "null")
    if lora and as_tokens:
        problem = "adapters leave the text encoder as it is, but captions were encoded as token ids, to train it"
        raise SettingsError("train.lora", problem, "null, or encode.text: embeddings")
