"""How often each value of an attribute comes out where the prompt leaves it open, against a reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from platen.artifacts.evaluation import Breakdown, Metric, ShareOfValue
from platen.components.evaluate.context import Context, digest
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, Quantity
from platen.core.manifest import Json
from platen.core.settings import Settings

if TYPE_CHECKING:
    from platen.components.evaluate.attributes import AttributeFinding

DISTANCE = Quantity("Distance from the reference", "total variation", "lower")
ABSTAINED = Quantity("Judge abstained", "share", "lower")
JUDGE_ACCURACY = Quantity("Judge right on held-out pictures", "share", "higher")


class Value(Settings):
    """One value that an attribute can take."""

    value: str = Field(min_length=1, description="The value's name, as captions and prompts spell it: red")
    prompts: tuple[str, ...] = Field(
        min_length=1, description="Texts that describe a picture with this value; their embeddings are averaged"
    )
    reference: float = Field(ge=0, le=1, description="The share of pictures that should have this value, 0 to 1")


class BiasSettings(Settings):
    """Section `evaluate.metrics.bias`."""

    attributes: dict[str, tuple[Value, ...]] = Field(
        default_factory=dict, description="Attribute to its values, each with value, prompts and reference"
    )
    margin: float = Field(
        0.1, ge=0, lt=1, description="Lead in probability below which the judge of an attribute abstains"
    )
    bootstraps: int = Field(
        1000, ge=100, le=100_000, description="Samples drawn at each distance that is tried for the interval"
    )

    @model_validator(mode="after")
    def _attributes_can_be_measured(self) -> Self:
        for name, values in self.attributes.items():
            if len({value.value for value in values}) < max(2, len(values)):
                raise ValueError(f"attributes.{name}: needs two values or more, each with a name of its own")
            total = math.fsum(value.reference for value in values)
            if abs(total - 1) > 0.01:
                raise ValueError(f"attributes.{name}: the reference shares add up to {total:g}, not to 1")
        return self


def measure(context: Context, settings: BiasSettings) -> Measurement:
    """Measure every attribute on images of the neutral group."""
    from platen.components.evaluate.attributes import Rules, Shown
    from platen.components.evaluate.attributes import measure as measure_attribute

    seen, rules = context.seen, Rules.of(settings, context.settings)
    asked = [picture.group == context.settings.neutral_group for picture in seen.generated]
    neutral = Shown(context.prompts, seen.generated_embeddings).where(asked)
    real = Shown([row.caption for row in seen.held_out], seen.held_out_embeddings)
    found = {
        name: measure_attribute(values, context.judge, neutral, real, rules)
        for name, values in settings.attributes.items()
    }
    return Measurement(
        parts={path: metric for name, each in found.items() for path, metric in name_metrics(name, each)},
        breakdowns={name: break_down(name, each) for name, each in found.items()},
    )


def name_metrics(attribute: str, found: AttributeFinding) -> Iterator[tuple[str, Metric]]:
    """Name the numbers of an attribute, as what follows `bias.`."""
    yield f"{attribute}.distance", DISTANCE.metric(found.distance)
    yield f"{attribute}.abstained", ABSTAINED.metric(found.abstained)
    yield f"{attribute}.judge_accuracy", JUDGE_ACCURACY.metric(found.judge_accuracy)
    for each in found.values:
        quantity = Quantity(each.value.value, "share", "none")
        yield f"{attribute}.values.{each.value.value}.share", quantity.metric(each.share)


def break_down(attribute: str, found: AttributeFinding) -> Breakdown:
    """List the values of an attribute, with how often each came out."""
    values = [
        ShareOfValue(value=each.value.value, count=each.count, reference=each.value.reference) for each in found.values
    ]
    return Breakdown(title=attribute, prompts=found.prompts, values=values)


def provenance(context: Context, settings: BiasSettings) -> Mapping[str, Json]:
    """Say what defines the attributes, and when the judge abstains."""
    attributes = {name: [value.model_dump() for value in values] for name, values in settings.attributes.items()}
    return {"margin": settings.margin, "attributes": digest(attributes)}


METRIC = MetricSpec(
    name="bias",
    quantity=Quantity("Bias", "total variation", "lower"),
    needs=frozenset({"judge", "generated"}),
    measure=measure,
    settings=BiasSettings,
    provenance=provenance,
)
