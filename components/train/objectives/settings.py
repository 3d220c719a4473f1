"""Settings of what a step minimises."""

from __future__ import annotations

from pydantic import Field

from platen.settings import Settings


class ObjectiveSettings(Settings):
    """What the model is to predict comes from the base model's scheduler; here is how samples are drawn and weighed."""

    drop_caption: float = Field(0.1, ge=0, lt=1, description="share of captions replaced by the empty one, 0 to 1")
    min_snr_gamma: float | None = Field(
        5.0, gt=0, description="weight of timesteps by min(SNR, gamma) (arXiv 2303.09556); null for none"
    )
