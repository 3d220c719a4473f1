"""Holding a report against rules.

A limit is compared with the unfavourable end of the metric's interval: the low end where more is better, the high end
where less is. So a model passes only where the data say so, not where they merely do not say otherwise. A champion's
metric is a limit only where both were measured with the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platen.components.gate.settings import Rule
from platen.errors import CorruptError
from platen.manifest import Json

Report = Mapping[str, Json]


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule held against a report: what was compared with what, and the outcome in words."""

    rule: Rule
    passed: bool
    reason: str
    value: float | None = None
    bound: float | None = None
    limit: float | None = None

    def entry(self) -> dict[str, Json]:
        """As it stands in decision.json."""
        rule = self.rule
        return {
            "name": rule.name,
            "metric": rule.metric,
            "direction": rule.direction,
            "against": rule.against,
            "required": rule.required,
            "value": self.value,
            "bound": self.bound,
            "limit": self.limit,
            "passed": self.passed,
            "reason": self.reason,
        }


def judge(rules: Sequence[Rule], report: Report, champion: Report | None) -> list[Verdict]:
    """Each rule held against the candidate's report.

    Args:
        rules: All have to hold.
        report: The candidate's.
        champion: The report of the model to beat; None where nothing was live.

    Raises:
        CorruptError: What stands at a metric's place is not a metric.
    """
    return [_judge_one(rule, report, champion) for rule in rules]


def look_up(report: Report, path: str) -> Measured | Missing:
    """The metric at a dotted path. Raises CorruptError where something else stands there."""
    entry: Json = report
    for name in path.split("."):
        if not isinstance(entry, Mapping) or name not in entry:
            return Missing(f"the report has no {path}")
        entry = entry[name]
    if not isinstance(entry, Mapping) or "value" not in entry:
        raise CorruptError(f"report.json: {path} is no metric. Accepted: an object with value, low and high")
    if entry["value"] is None:
        return Missing(str(entry.get("note") or "insufficient data"))
    return _measured(entry, path)


def _measured(entry: Mapping[str, Json], path: str) -> Measured:
    value = entry["value"]
    # A metric without an interval is taken at its value.
    ends = [value if entry.get(name) is None else entry[name] for name in ("low", "high")]
    numbers = [number for number in (value, *ends) if isinstance(number, (int, float)) and math.isfinite(number)]
    if len(numbers) != 3:
        raise CorruptError(f"report.json: {path} has value {value!r}, low {ends[0]!r}, high {ends[1]!r}, not numbers")
    return Measured(*map(float, numbers))


def measured_otherwise(path: str, report: Report, champion: Report) -> Missing | None:
    """Why a metric of two reports cannot be compared; None where both were measured with the same."""
    ours, theirs = (_measured_with(one, path) for one in (report, champion))
    if ours is None or theirs is None:
        whose = "the report" if ours is None else "the champion's report"
        return Missing(f"{whose} was measured before it was recorded what {path} is measured with")
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    return Missing(f"the champion was measured otherwise: {', '.join(names)}") if names else None


def _measured_with(report: Report, path: str) -> Mapping[str, Json] | None:
    """What evaluate says that a metric, or the group of metrics it belongs to, was measured with."""
    used = report.get("measured_with")
    found = used.get(path.partition(".")[0]) if isinstance(used, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _judge_one(rule: Rule, report: Report, champion: Report | None) -> Verdict:
    found = look_up(report, rule.metric)
    if isinstance(found, Missing):
        return _without(rule, found.why)
    if rule.against == "absolute":
        return _compare(rule, found, float(rule.limit or 0.0), "the limit")
    if champion is None:
        return Verdict(rule, True, "no model was live before; nothing to compare with", found.value)
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


def _without(rule: Rule, why: str, value: float | None = None) -> Verdict:
    told = f"{why}; the rule is required" if rule.required else f"{why}; the rule is not required"
    return Verdict(rule, not rule.required, told, value)


def _compare(rule: Rule, found: Measured, limit: float, what: str) -> Verdict:
    at_least = rule.direction == "at_least"
    bound = found.low if at_least else found.high
    passed = bound >= limit if at_least else bound <= limit
    end = "low" if at_least else "high"
    place = {(True, True): "not below", (True, False): "below", (False, True): "not above", (False, False): "above"}
    reason = f"{bound:.4g} ({end} end of its interval) is {place[at_least, passed]} {what} {limit:.4g}"
    return Verdict(rule, passed, reason, found.value, bound, limit)
