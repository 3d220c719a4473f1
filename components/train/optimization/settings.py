"""Settings of the optimizer and of the average of the weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from platen.settings import Settings


class OptimizerSettings(Settings):
    """The optimizer and how its learning rate goes."""

    learning_rate: float = Field(1e-4, gt=0, description="highest learning rate of AdamW, above 0")
    warmup_steps: int = Field(500, ge=0, description="steps over which the learning rate rises from 0")
    schedule: Literal["constant", "cosine"] = Field("cosine", description="constant or cosine, after the warm-up")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay, 0 or more")
    clip_gradient: float = Field(1.0, gt=0, description="largest norm of the gradient, above 0")


class EmaSettings(Settings):
    """The exponential moving average of the weights, which is what is exported."""

    decay: float = Field(0.9999, ge=0, lt=1, description="weight of the past in an update, 0 to 1")
    warmup: bool = Field(True, description="start with a shorter average: decay at most (1 + step) / (10 + step)")
