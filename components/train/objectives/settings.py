"""Settings of what a step minimises."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from platen.settings import Settings


class LogitNormal(Settings):
    """Timesteps whose logit is normal: those in the middle, where there is most to learn, are drawn more often."""

    mean: float = Field(0.0, description="of the logit; above 0: more noise")
    std: float = Field(1.0, gt=0, description="of the logit, above 0")


class ObjectiveSettings(Settings):
    """What the model is to predict, and how samples are drawn and weighed."""

    kind: Literal["auto", "epsilon", "v", "flow"] = Field(
        "auto",
        description="what is predicted: auto (what the base's scheduler says), epsilon, v, or flow (rectified flow)",
    )
    drop_caption: float = Field(0.1, ge=0, lt=1, description="share of captions replaced by the empty one, 0 to 1")
    min_snr_gamma: float | None = Field(
        5.0, gt=0, description="weight of timesteps by min(SNR, gamma) (arXiv 2303.09556); null for none, as flow needs"
    )
    logit_normal: LogitNormal | None = Field(
        None, description="how timesteps are drawn (arXiv 2403.03206); null: all alike"
    )
    offset_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="noise added to a whole channel, for dark and bright pictures; 0.1 is usual, 0: none",
    )
    shift: float | None = Field(
        None, gt=0, description="of flow: moves timesteps towards noise, 3 for 1024 x 1024 pixels; null: the base's"
    )

    @model_validator(mode="after")
    def _goes_with_the_kind(self) -> ObjectiveSettings:
        found = None if self.kind == "auto" else self.contradiction(self.kind)
        if found:
            raise ValueError(found)
        return self

    def contradiction(self, kind: str) -> str | None:
        """What is set and does not go with a kind."""
        if kind == "flow" and self.min_snr_gamma is not None:
            return f"min_snr_gamma {self.min_snr_gamma} weighs epsilon and v, not flow; set min_snr_gamma to null"
        if kind != "flow" and self.shift is not None:
            return f"shift {self.shift} belongs to flow, not to {kind}; leave it out"
        return None
