"""The rules: which measure is compared with which limit, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platen.artifacts.monitoring import INSUFFICIENT, RETRAIN, LimitOutcome, Verdict
from platen.components.monitor.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Rule:
    """One measure against its limit.

    Attributes:
        estimate: What was measured; none where there were too few data.
        n: How many observations it rests on.
    """

    name: str
    estimate: Estimate | None
    limit: float
    n: int

    @property
    def exceeded(self) -> bool:
        """Whether the measure is surely beyond its limit: the lower end of its interval is."""
        return self.estimate is not None and self.estimate.low > self.limit

    @property
    def reason(self) -> str:
        """What came out, in words."""
        if self.estimate is None:
            return f"{self.name}: {INSUFFICIENT} ({self.n})"
        side = "above" if self.exceeded else "within"
        return f"{self.name}: {self.estimate.low:.3g} (lower end of its interval) is {side} the limit of {self.limit:g}"

    def outcome(self) -> LimitOutcome:
        """Describe it for the report."""
        found = self.estimate
        low, high = (None, None) if found is None else (round(found.low, 6), round(found.high, 6))
        return LimitOutcome(
            name=self.name,
            value=INSUFFICIENT if found is None else round(found.value, 6),
            interval=None if low is None or high is None else (low, high),
            bound=low,
            limit=self.limit,
            n=self.n,
            exceeded=self.exceeded,
        )


def judge(rules: Sequence[Rule]) -> tuple[Verdict, list[str]]:
    """Retrain where any rule is exceeded, with the reasons; keep otherwise, with what could not be judged."""
    beyond = [item.reason for item in rules if item.exceeded]
    if beyond:
        return RETRAIN, beyond
    unknown = [item.reason for item in rules if item.estimate is None]
    return "keep", unknown or ["every measure is within its limit"]
