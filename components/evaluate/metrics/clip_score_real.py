"""How well real images fit their captions: what a perfect model would reach."""

from __future__ import annotations

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import mean
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, NoSettings, Quantity


def measure(context: Context, settings: NoSettings) -> Measurement:
    """Measure the mean CLIP score of held-out images and their captions."""
    from platen.components.evaluate.alignment import scores

    captions = context.embed_texts([row.caption for row in context.seen.held_out])
    values = scores(context.seen.held_out_embeddings, captions).tolist()
    note = "held-out pictures and their own captions, for comparison"
    return Measurement(mean(values, context.settings.confidence, context.settings.min_samples, note))


METRIC = MetricSpec(
    name="clip_score_real",
    quantity=Quantity("CLIP score, real pictures", "cosine x 100", "none"),
    needs=frozenset({"judge", "held_out"}),
    measure=measure,
)
