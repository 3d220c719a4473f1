"""What can be set of gate: the rules."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from platen.core.settings import Settings


class Rule(Settings):
    """One condition that a model has to meet. Which end of an interval is compared with what: see README.md."""

    metric: str = Field(
        min_length=1, description="Dotted path of a metric in the report: clip_score, bias.colour.distance, ..."
    )
    direction: Literal["at_least", "at_most"] = Field(description="at_least or at_most: the side that passes")
    against: Literal["absolute", "champion"] = Field(
        "absolute", description="absolute (a fixed limit) or champion (what the live model's report says)"
    )
    limit: float | None = Field(
        None, allow_inf_nan=False, description="The limit, in the metric's unit; absolute rules only"
    )
    margin: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="How much worse than the champion is still good enough, in the metric's unit; champion rules only",
    )
    required: bool = Field(
        True,
        description="Whether a metric that is missing, has too few data, or was measured otherwise than the champion's "
        "fails the rule",
    )

    @model_validator(mode="after")
    def _limit_where_absolute(self) -> Self:
        if self.against == "absolute" and self.limit is None:
            raise ValueError(f"{self.metric}: an absolute rule needs a limit: a number in the metric's unit")
        if self.against == "champion" and self.limit is not None:
            raise ValueError(f"{self.metric}: a champion rule takes a margin, not a limit (got limit {self.limit})")
        if self.against == "absolute" and self.margin:
            raise ValueError(f"{self.metric}: an absolute rule takes a limit, not a margin (got margin {self.margin})")
        return self

    @property
    def name(self) -> str:
        """The rule in words."""
        side = self.direction.replace("_", " ")
        if self.against == "absolute":
            return f"{self.metric} {side} {self.limit:g}"
        slack = f", {self.margin:g} worse allowed" if self.margin else ""
        return f"{self.metric} {side} the champion's{slack}"


DEFAULT_RULES = (
    # A network that has learnt nothing, and so answers zero, has a loss of about 1 on noise of variance 1.
    Rule(metric="held_out_loss", direction="at_most", limit=1.0),
    # Far above chance for ten prompts and more, far below what a usable model reaches.
    Rule(metric="retrieval_accuracy", direction="at_least", limit=0.2),
    # A champion that was measured otherwise must not block its successors for ever: hence not required.
    Rule(metric="clip_score", direction="at_least", against="champion", margin=2.0, required=False),
)


class GateSettings(Settings):
    """Section `gate` of the settings file."""

    rules: tuple[Rule, ...] = Field(
        DEFAULT_RULES, min_length=1, description="All must hold; each with metric, direction, against, limit or margin"
    )
