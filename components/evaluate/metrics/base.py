"""What a metric is: a module beside this one with a METRIC, and a line in registry.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platen.artifacts.evaluation import Breakdown, ClosestPair, Curve, Direction, Metric
from platen.core.manifest import Json
from platen.core.settings import Settings

if TYPE_CHECKING:
    from platen.components.evaluate.context import Context
    from platen.components.evaluate.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a number is: a title for readers, its unit, and which way is better."""

    title: str
    unit: str
    direction: Direction

    def metric(self, found: Estimate) -> Metric:
        """Make an estimate of it the report's entry."""
        return Metric(
            value=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            unit=self.unit,
            direction=self.direction,
            title=self.title,
            note=found.note,
        )


@dataclass(frozen=True, slots=True)
class Measurement:
    """What measuring gives.

    Attributes:
        estimate: The number; None where a metric has only numbers below its name.
        parts: Numbers below its name, by what follows it: `share` for `memorised.share`.
        curve: How the number depends on something else.
        breakdowns: Properties value by value, by what follows the metric's name.
        closest: Generated images with the training images closest to them.
    """

    estimate: Estimate | None = None
    parts: Mapping[str, Metric] = field(default_factory=dict)
    curve: Curve | None = None
    breakdowns: Mapping[str, Breakdown] = field(default_factory=dict)
    closest: Sequence[ClosestPair] = ()


class NoSettings(Settings):
    """A metric that has no settings of its own."""


def nothing_else(context: Context, settings: Any) -> Mapping[str, Json]:
    """Nothing to add to what a metric needs."""
    return {}


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric.

    Modules of metrics are imported with the settings: what is heavy is imported inside `measure`.

    Attributes:
        name: As reports and the rules of gate have it.
        quantity: What its number is.
        needs: What it looks at, of the names in `context.NEEDS`. Numbers of two reports are compared only where all
            of it is the same.
        measure: Takes the context and the metric's settings.
        settings: The type of its section `evaluate.metrics.NAME`.
        provenance: What else must be the same for two numbers to be compared: settings that define the number.
    """

    name: str
    quantity: Quantity
    needs: frozenset[str]
    measure: Callable[[Context, Any], Measurement]
    settings: type[Settings] = NoSettings
    provenance: Callable[[Context, Any], Mapping[str, Json]] = nothing_else
