"""Settings of the optimizer and of the average of the weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from platen.components.train.removed import instead_of
from platen.core.settings import Settings

Decay = Annotated[float, Field(ge=0, lt=1)]
DECAY = 0.9999  # of the average, where settings say nothing


class OptimizerSettings(Settings):
    """The optimizer and how its learning rate goes."""

    kind: Literal["adamw"] = Field("adamw", description="adamw: its update is one kernel (torch's fused AdamW)")
    learning_rate: float = Field(1e-4, gt=0, description="highest learning rate, above 0")
    warmup_steps: int = Field(500, ge=0, description="steps over which the learning rate rises from 0")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "cosine", description="constant, linear or cosine, after the warm-up"
    )
    floor: float = Field(
        0.0, ge=0, le=1, description="share of the highest learning rate at which linear and cosine end, 0 to 1"
    )
    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.99), description="weights of the past in AdamW's averages of the gradient and of its square, 0 to 1"
    )
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay, 0 or more")
    clip_gradient: float = Field(1.0, gt=0, description="largest norm of the gradient, above 0")

    @field_validator("kind", mode="before")
    @classmethod
    def _is_there(cls, value: object) -> object:
        instead = instead_of(str(value))
        if instead is not None:
            raise ValueError(f"DeepSpeed 0.19 has removed {value}; accepted: adamw; instead: {instead}")
        if "8bit" in str(value).lower().replace("-", ""):
            raise ValueError(f"{value!r} keeps 8-bit numbers, which checkpoints do not hold; accepted: adamw")
        return value


class EmaSettings(Settings):
    """The exponential moving average of the weights, which is what is exported."""

    decay: Decay = Field(DECAY, description="weight of the past in an update, 0 to 1")
    warmup: bool = Field(True, description="start with a shorter average: decay at most (1 + step) / (10 + step)")
    start_step: int = Field(
        0, ge=0, description="optimizer steps after which averaging begins; until then the average is the weights"
    )
    sigma_rel: float | None = Field(
        None,
        gt=0,
        le=0.28,
        description="in place of decay: width of a power-function average as a share of training time, up to 0.28 "
        "(arXiv 2312.02696; 0.05 to 0.2 are usual)",
    )

    @model_validator(mode="after")
    def _one_way_to_average(self) -> EmaSettings:
        if self.sigma_rel is not None and self.decay != DECAY:
            raise ValueError(
                f"sigma_rel {self.sigma_rel} and decay {self.decay} are two ways to average; leave one of them out"
            )
        return self
