"""A metric that Platen does not have: what a contributor writes, in one file. See test_new_siblings.py."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import mean
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, Quantity
from platen.core.manifest import Json
from platen.core.settings import Settings


class BrightnessSettings(Settings):
    """Section `evaluate.metrics.brightness`."""

    channel: int = Field(0, ge=0, le=2, description="0 for red, 1 for green, 2 for blue")


def measure(context: Context, settings: BrightnessSettings) -> Measurement:
    """Measure the mean brightness of one channel of the generated images."""
    import numpy as np

    images = (np.asarray(picture.read()) for picture in context.seen.generated)
    values = [float(image[..., settings.channel].mean() / 255) for image in images]
    return Measurement(mean(values, context.settings.confidence, context.settings.min_samples))


def provenance(context: Context, settings: BrightnessSettings) -> Mapping[str, Json]:
    """Say which channel."""
    return {"channel": settings.channel}


METRIC = MetricSpec(
    name="brightness",
    quantity=Quantity("Brightness", "share", "none"),
    needs=frozenset({"generated"}),
    measure=measure,
    settings=BrightnessSettings,
    provenance=provenance,
)
