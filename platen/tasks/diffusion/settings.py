"""Settings of the diffusion task: what the model predicts, and how samples are drawn and weighted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from platen.core.settings import Settings

MIN_SNR_GAMMA = 5.0  # the paper's choice (arXiv 2303.09556, section 4)


class LogitNormal(Settings):
    """Draw timesteps whose logit is normally distributed: more from the middle, where there is most to learn."""

    mean: float = Field(0.0, description="of the logit; above 0: more noise")
    std: float = Field(1.0, gt=0, description="of the logit, above 0")


class ObjectiveSettings(Settings):
    """What the model predicts, and how samples are drawn and weighted."""

    kind: Literal["auto", "epsilon", "v", "flow"] = Field(
        "auto",
        description="what is predicted: auto (what the base's scheduler says), epsilon, v, or flow (rectified flow)",
    )
    drop_caption: float = Field(0.1, ge=0, lt=1, description="share of captions replaced by the empty one, 0 to 1")
    min_snr_gamma: Annotated[float, Field(gt=0)] | Literal["auto"] | None = Field(
        "auto",
        description=f"gamma of the min-SNR loss weights (arXiv 2303.09556); null: no weights; auto: {MIN_SNR_GAMMA:g} "
        "for epsilon and v, no weights for flow, for which they are not defined",
    )
    logit_normal: LogitNormal | None = Field(
        None, description="how timesteps are drawn (arXiv 2403.03206); null: uniformly"
    )
    offset_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="noise added to a whole channel, for dark and bright images; 0.1 is usual, 0: none",
    )
    shift: float | None = Field(
        None,
        gt=0,
        description="of flow: moves timesteps towards noise, 3 for 1024 x 1024 pixels, and the exported scheduler with "
        "them; null: the base's, and none (1.0) where the base's depends on resolution (use_dynamic_shifting)",
    )

    @model_validator(mode="after")
    def _fits_the_kind(self) -> ObjectiveSettings:
        found = None if self.kind == "auto" else self.contradiction(self.kind)
        if found:
            raise ValueError(found)
        return self

    def contradiction(self, kind: str) -> str | None:
        """Return what is wrong with these settings for a kind of prediction; None if nothing is."""
        if kind == "flow" and isinstance(self.min_snr_gamma, float):
            return f"min_snr_gamma {self.min_snr_gamma} weighs epsilon and v, not flow; set min_snr_gamma to null"
        if kind != "flow" and self.shift is not None:
            return f"shift {self.shift} belongs to flow, not to {kind}; leave it out"
        return None

    def gamma(self, kind: str) -> float | None:
        """Return the gamma of the min-SNR weights for a kind of prediction; None for no weights."""
        if self.min_snr_gamma == "auto":
            return None if kind == "flow" else MIN_SNR_GAMMA
        return self.min_snr_gamma
