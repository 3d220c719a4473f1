"""How many generated images are copies of training images, and how many held-out images would count as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from platen.artifacts.evaluation import ClosestPair
from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import Estimate, insufficient, share
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, Quantity
from platen.core.manifest import Json
from platen.core.settings import Settings

if TYPE_CHECKING:
    from platen.components.evaluate.nearest import Nearest
    from platen.components.evaluate.settings import EvaluateSettings

SHARE = Quantity("Memorised share", "share", "lower")
BASELINE = Quantity("Memorised share, held-out", "share", "none")
THRESHOLD = Quantity("Distance that makes a copy", "cosine distance", "none")


class MemorisedSettings(Settings):
    """Section `evaluate.metrics.memorised`."""

    quantile: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="A picture counts as memorised where it is closer to a training picture than this share of the "
        "training pictures are to each other",
    )
    closest_pairs: int = Field(6, ge=0, le=100, description="Pairs of generated and training picture to keep")


def measure(context: Context, settings: MemorisedSettings) -> Measurement:
    """Measure the share of copies among generated images and, to compare, among held-out ones; keep the closest."""
    from platen.components.evaluate.nearest import nearest, threshold

    seen, training = context.seen, len(context.seen.training)
    if training < context.settings.min_samples:
        few = insufficient(training, context.settings.min_samples, "training pictures")
        whole = {"share": SHARE, "baseline": BASELINE, "threshold": THRESHOLD}
        return Measurement(parts={name: quantity.metric(few) for name, quantity in whole.items()})
    limit = threshold(seen.training_features, settings.quantile)
    found = nearest(seen.generated_features, seen.training_features)
    others = nearest(seen.held_out_features, seen.training_features)
    note = f"closer to one of {training} training pictures than {settings.quantile:.0%} of these are"
    baseline = "held-out pictures, which cannot be memorised"
    return Measurement(
        parts={
            "share": SHARE.metric(measure_share(found, limit, note, context.settings)),
            "baseline": BASELINE.metric(measure_share(others, limit, baseline, context.settings)),
            "threshold": THRESHOLD.metric(Estimate(limit, limit, limit, training, "a definition, so without error")),
        },
        closest=keep_closest(context, found, limit, settings.closest_pairs),
    )


def measure_share(found: Nearest, limit: float, note: str, settings: EvaluateSettings) -> Estimate:
    """Estimate the share of images that are closer to a training image than the limit."""
    hits = int((found.distances < limit).sum())
    return share(hits, len(found.distances), settings.confidence, settings.min_samples, note)


def keep_closest(context: Context, found: Nearest, limit: float, pairs: int) -> list[ClosestPair]:
    """Copy the closest pairs to `closest/` beside the report, and say what they are."""
    import numpy as np

    from platen.components.evaluate.pictures import read_real
    from platen.core.storage import write_file

    order = np.argsort(found.distances, kind="stable")[:pairs].tolist()
    rows = [context.seen.training[found.places[number]] for number in order]
    samples = {sample.row.key: sample for sample in read_real(context.inputs["dataset"].path, rows)}
    kept = []
    for rank, (number, row) in enumerate(zip(order, rows, strict=True)):
        picture, distance = context.seen.generated[number], float(found.distances[number])
        names = f"closest/{rank:02d}-generated.png", f"closest/{rank:02d}-training.{row.extension}"
        write_file(context.out / names[0], (picture.folder / picture.file).read_bytes())
        write_file(context.out / names[1], samples[row.key].image)
        kept.append(
            ClosestPair(
                generated=names[0],
                training=names[1],
                file=picture.file,
                key=row.key,
                prompt=picture.prompt,
                caption=row.caption,
                distance=round(distance, 9),  # a copy is at 0, but for rounding
                memorised=distance < limit,
            )
        )
    return kept


def provenance(context: Context, settings: MemorisedSettings) -> Mapping[str, Json]:
    """Say what defines a copy."""
    return {"memorised_quantile": settings.quantile}


METRIC = MetricSpec(
    name="memorised",
    quantity=SHARE,
    needs=frozenset({"extractor", "generated", "training"}),
    measure=measure,
    settings=MemorisedSettings,
    provenance=provenance,
)
