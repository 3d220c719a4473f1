"""Settings of encode."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from platen.core.settings import Settings


class EncodeSettings(Settings):
    """How pictures and captions are encoded."""

    text: Literal["embeddings", "tokens"] = Field(
        "embeddings",
        description="embeddings: what the frozen text encoder gives; tokens: ids, to train the encoder too",
    )
    dtype: Literal["float32", "float16"] = Field("float32", description="float32 or float16: how the arrays are stored")
    batch: int = Field(64, ge=1, le=4096, description="pictures encoded at once, 1 to 4096")
    threads: int = Field(2, ge=1, le=256, description="CPU threads, 1 to 256; fixed, so that sums come out the same")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto, cpu or cuda: where the encoders run", exclude=True
    )
