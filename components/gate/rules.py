"""Holding a report against rules.

A limit is compared with the unfavourable end of the metric's interval: the low end where more is better, the high end
where less is. So a model passes only where the data say so, not where they merely do not say otherwise. A champion's
metric is a limit only where both were measured with the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platen.artifacts.decision import RuleOutcome
from platen.artifacts.evaluation import EvaluationReport
from platen.components.gate.settings import Rule
from platen.core.manifest import Json


@dataclass(frozen=True, slots=True)
class Measured:
    """What a report says of a metric: its value and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a report says nothing of a metric."""

    why: str


def judge(rules: Sequence[Rule], report: EvaluationReport, champion: EvaluationReport | None) -> list[RuleOutcome]:
    """Each rule held against the candidate's report.

    Args:
        rules: All have to hold.
        report: The candidate's.
        champion: The report of the model to beat; None where nothing was live.
    """
    return [_judge_one(rule, report, champion) for rule in rules]


def look_up(report: EvaluationReport, path: str) -> Measured | Missing:
    """Look up the metric at a dotted path."""
    metric = report.metrics.get(path)
    if metric is None:
        return Missing(f"the report has no metric {path}")
    if metric.value is None:
        return Missing(metric.note or "insufficient data")
    # A metric without an interval is taken at its value.
    low, high = (metric.value if end is None else end for end in (metric.low, metric.high))
    return Measured(metric.value, low, high)


def measured_otherwise(path: str, report: EvaluationReport, champion: EvaluationReport) -> Missing | None:
    """Why a metric of two reports cannot be compared; None where both were measured with the same."""
    ours, theirs = (_measured_with(one, path) for one in (report, champion))
    if ours is None or theirs is None:
        whose = "the report" if ours is None else "the champion's report"
        return Missing(f"{whose} was measured before it was recorded what {path} is measured with")
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return Missing(f"the champion was measured otherwise: {', '.join(names)}") if names else None


def _measured_with(report: EvaluationReport, path: str) -> Mapping[str, Json] | None:
    """Say what a metric, or the group of metrics it belongs to, was measured with; None where that is not recorded."""
    return report.measured_with.get(path.partition(".")[0])


def _judge_one(rule: Rule, report: EvaluationReport, champion: EvaluationReport | None) -> RuleOutcome:
    found = look_up(report, rule.metric)
    if isinstance(found, Missing):
        return _without(rule, found.why)
    if rule.against == "absolute":
        return _compare(rule, found, float(rule.limit or 0.0), "the limit")
    if champion is None:
        return _outcome(rule, True, "no model was live before; nothing to compare with", found.value)
    best = look_up(champion, rule.metric)
    if isinstance(best, Missing):
        return _without(rule, f"the champion's report: {best.why}", found.value)
    otherwise = measured_otherwise(rule.metric, report, champion)
    if otherwise is not None:
        return _without(rule, otherwise.why, found.value)
    slack = -rule.margin if rule.direction == "at_least" else rule.margin
    return _compare(
        rule, found, best.value + slack, f"the champion's {best.value:.4g} with a margin of {rule.margin:g}:"
    )


def _outcome(
    rule: Rule, passed: bool, reason: str, value: float | None, bound: float | None = None, limit: float | None = None
) -> RuleOutcome:
    return RuleOutcome(
        name=rule.name,
        metric=rule.metric,
        direction=rule.direction,
        against=rule.against,
        required=rule.required,
        value=value,
        bound=bound,
        limit=limit,
        passed=passed,
        reason=reason,
    )


def _without(rule: Rule, why: str, value: float | None = None) -> RuleOutcome:
    reason = f"{why}; the rule is required" if rule.required else f"{why}; the rule is not required"
    return _outcome(rule, not rule.required, reason, value)


def _compare(rule: Rule, found: Measured, limit: float, what: str) -> RuleOutcome:
    at_least = rule.direction == "at_least"
    bound = found.low if at_least else found.high
    passed = bound >= limit if at_least else bound <= limit
    end = "low" if at_least else "high"
    place = {(True, True): "not below", (True, False): "below", (False, True): "not above", (False, False): "above"}
    reason = f"{bound:.4g} ({end} end of its interval) is {place[at_least, passed]} {what} {limit:.4g}"
    return _outcome(rule, passed, reason, found.value, bound, limit)
