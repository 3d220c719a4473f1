"""How well generated images fit their prompts, as the judge sees it."""

from __future__ import annotations

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import mean
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, NoSettings, Quantity


def measure(context: Context, settings: NoSettings) -> Measurement:
    """Measure the mean CLIP score of generated images."""
    from platen.components.evaluate.alignment import score_generated

    return Measurement(mean(score_generated(context), context.settings.confidence, context.settings.min_samples))


METRIC = MetricSpec(
    name="clip_score",
    quantity=Quantity("CLIP score", "cosine x 100", "higher"),
    needs=frozenset({"judge", "generated"}),
    measure=measure,
)
