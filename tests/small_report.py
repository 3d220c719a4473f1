"""An evaluation report in which every number is made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platen.artifacts.evaluation import Breakdown, EvaluationReport, Metric, ShareOfValue


def metric(value: float | None, low: float | None = None, high: float | None = None, note: str = "") -> Metric:
    return Metric(value=value, low=low, high=high, n=100, unit="", direction="higher", note=note)


NOTHING = metric(None, note="insufficient data: 3 pictures of at least 20")
METRICS = (
    *("held_out_loss", "fid", "kid", "clip_score", "clip_score_real", "retrieval_accuracy"),
    *("memorised.share", "memorised.baseline"),
)


@dataclass(frozen=True)
class Attribute:
    """One attribute of the bias metric: its breakdown, and its numbers by what follows the attribute's name."""

    breakdown: Breakdown
    metrics: Mapping[str, Metric]


def bias(**metrics: Metric) -> Attribute:
    share = {"values.red.share": metrics.pop("red", NOTHING)}
    whole = dict.fromkeys(("distance", "abstained", "judge_accuracy"), NOTHING) | metrics
    values = [ShareOfValue(value="red", count=9, reference=0.5)]
    return Attribute(Breakdown(title="color", prompts=["a circle"], values=values), whole | share)


def report(
    *, bias: Mapping[str, Attribute] | None = None, metrics: Mapping[str, Metric] | None = None, **changes: Any
) -> EvaluationReport:
    """A report in which nothing was measured but what is given, by name; `metrics` has those with a dotted one."""
    attributes = dict(bias or {})
    numbers = dict.fromkeys(METRICS, NOTHING) | dict(metrics or {})
    numbers |= {name: changes.pop(name) for name in METRICS if name in changes}
    for name, attribute in attributes.items():
        numbers |= {f"bias.{name}.{path}": each for path, each in attribute.metrics.items()}
    whole = {
        **dict.fromkeys(("model", "dataset", "generated"), "a" * 64),
        **{"extractor": "clip", "confidence": 0.95, "counts": {"generated": 10}, "pictures": []},
    }
    breakdowns = {f"bias.{name}": attribute.breakdown for name, attribute in attributes.items()}
    return EvaluationReport(**whole | {"metrics": numbers, "breakdowns": breakdowns} | changes)
