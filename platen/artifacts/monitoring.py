"""Whether a live model is kept, `report.json` of monitor, and what its request log says."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from platen.artifacts.json_file import JsonFile, Part
from platen.artifacts.metadata import Metadata

Verdict = Literal["keep", "retrain"]
RETRAIN: Final = "retrain"
Insufficient = Literal["insufficient data"]
INSUFFICIENT: Final = "insufficient data"  # in place of a number


class LimitOutcome(Part):
    """One measure and the limit that it was compared with.

    Attributes:
        name: Of the measure.
        value: What was measured.
        interval: Low and high end of its interval; None where there are too few data.
        bound: The end that was compared.
        limit: The largest bound that keeps the model.
        n: How many observations it rests on.
        exceeded: Whether it asks for a new model.
    """

    name: str
    value: float | Insufficient
    interval: tuple[float, float] | None
    bound: float | None
    limit: float
    n: int
    exceeded: bool


class TrafficCounts(Part):
    """What was counted in the request log.

    Attributes:
        requests, pictures: How many were asked for.
        by_status: Requests by HTTP status.
        unreadable_lines, ignored, older: Lines of the log that count for nothing: broken, of users that are ignored,
            from before the window.
        first, last: Times of the requests, ISO 8601; None where there are none.
    """

    requests: int
    pictures: int
    by_status: dict[str, int]
    unreadable_lines: int
    ignored: int
    older: int
    first: str | None
    last: str | None


class Prompts(Part):
    """How many prompts there were, and how many words they have."""

    count: int
    distinct: int
    words_median: int | Insufficient
    words_max: int | Insufficient


class Captions(Part):
    """How many words the training captions have, and how many different ones."""

    words: int
    vocabulary: int


class MonitoringReport(JsonFile):
    """The whole report.

    Attributes:
        reasons: What asks for a new model, or could not be judged.
        model: Digest of the live model.
        latency_seconds: Quantiles, mean and maximum.
    """

    FILE: ClassVar[str] = "report.json"

    verdict: Verdict
    reasons: list[str]
    rules: list[LimitOutcome]
    model: str
    traffic: TrafficCounts
    latency_seconds: dict[str, float] | Insufficient
    prompts: Prompts
    captions: Captions


class MonitoringMetadata(Metadata):
    """What the manifest says of a monitoring report."""

    verdict: Verdict
    reasons: list[str]
