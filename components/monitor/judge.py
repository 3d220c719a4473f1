"""The rules: which measure is compared with which limit, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

INSUFFICIENT = "insufficient data"

Verdict = Literal["keep", "retrain"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One measure against its limit.

    Attributes:
        value: What was measured; none where there were too few data.
        bound: The number that is compared: the value, or the lower end of its interval.
        n: How many observations it rests on.
    """

    name: str
    value: float | None
    bound: float | None
    limit: float
    n: int
    interval: tuple[float, float] | None = None

    @property
    def exceeded(self) -> bool:
        """Whether the measure is surely beyond its limit."""
        return self.bound is not None and self.bound > self.limit

    @property
    def reason(self) -> str:
        """What came out, in words."""
        if self.bound is None:
            return f"{self.name}: {INSUFFICIENT} ({self.n})"
        side = "above" if self.exceeded else "within"
        return f"{self.name}: {self.bound:.3g} is {side} the limit of {self.limit:g}"

    def entry(self) -> dict[str, Any]:
        """As it stands in report.json."""
        return {
            "name": self.name,
            "value": INSUFFICIENT if self.value is None else round(self.value, 6),
            "interval": None if self.interval is None else [round(end, 6) for end in self.interval],
            "bound": None if self.bound is None else round(self.bound, 6),
            "limit": self.limit,
            "n": self.n,
            "exceeded": self.exceeded,
        }


def judge(rules: Sequence[Rule]) -> tuple[Verdict, list[str]]:
    """Retrain where any rule is exceeded, with the reasons; keep otherwise, with what could not be judged."""
    beyond = [item.reason for item in rules if item.exceeded]
    if beyond:
        return "retrain", beyond
    unknown = [item.reason for item in rules if item.bound is None]
    return "keep", unknown or ["every measure is within its limit"]
