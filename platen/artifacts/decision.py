"""The gate's decision to promote or reject a model, with its reasons: `decision.json`."""

from __future__ import annotations

from typing import ClassVar, Literal

from platen.artifacts.json_file import JsonFile, Part
from platen.artifacts.metadata import Metadata

Verdict = Literal["promote", "reject"]


class RuleOutcome(Part):
    """One rule and how it was met.

    Attributes:
        name: The rule in words.
        metric: Dotted path in the evaluation report.
        direction: The side of the limit that passes.
        against: A fixed limit, or the champion's value.
        required: Whether a metric that is missing, or cannot be compared, fails the rule.
        value: What was measured; None where it is missing.
        bound: The end of its interval that was compared; None where nothing was.
        limit: What it was compared with, the margin included.
        passed: Whether the rule lets the model through.
        reason: The outcome in words.
    """

    name: str
    metric: str
    direction: Literal["at_least", "at_most"]
    against: Literal["absolute", "champion"]
    required: bool
    value: float | None
    bound: float | None
    limit: float | None
    passed: bool
    reason: str


class Champion(Part):
    """Digests of the model to beat and of the evaluation that it was promoted on."""

    model: str
    report: str


class Decision(JsonFile):
    """The whole decision.

    Attributes:
        reasons: Which rules failed, and why; none where the model is promoted.
        model, report: Digests of the candidate and its evaluation.
        champion: The model to beat; None where no other was live.
        rules: All that were looked at.
    """

    FILE: ClassVar[str] = "decision.json"

    schema_version: Literal[1] = 1
    verdict: Verdict
    reasons: list[str]
    model: str
    report: str
    champion: Champion | None
    rules: list[RuleOutcome]


class DecisionMetadata(Metadata):
    """What the manifest says of a decision."""

    verdict: Verdict
    reasons: list[str]
