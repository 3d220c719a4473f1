"""KID: how far the distribution of generated images is from that of real ones (Binkowski et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import Estimate, insufficient
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, Quantity
from platen.core.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from platen.components.evaluate.settings import EvaluateSettings

LARGEST_SUBSET = 1000  # pictures, as in the paper


class KidSettings(Settings):
    """Section `evaluate.metrics.kid`."""

    subsets: int = Field(50, ge=2, le=10_000, description="Subsets that KID is averaged over")


def measure(context: Context, settings: KidSettings) -> Measurement:
    """Compare the features of generated images with those of all real ones."""
    import numpy as np

    real = np.concatenate([context.seen.training_features, context.seen.held_out_features])
    return Measurement(measure_kid(context.seen.generated_features, real, settings.subsets, context.settings))


def measure_kid(generated: np.ndarray, real: np.ndarray, subsets: int, settings: EvaluateSettings) -> Estimate:
    """Estimate KID of features (n, d) with an interval from the spread over its subsets.

    A subset has half of the smaller sample: then the spread is the standard error of the delete-half jackknife, not
    too small; for subsets that stop at LARGEST_SUBSET it is too large.
    """
    from scipy import stats

    from platen.components.evaluate.distribution import kernel_distance

    n = min(len(generated), len(real))
    needed = max(settings.min_samples, 4)
    if n < needed:
        return insufficient(n, needed)
    size = min(n // 2, LARGEST_SUBSET)
    value, deviation = kernel_distance(generated, real, subsets, size, settings.seed)
    half = float(stats.norm.ppf((1 + settings.confidence) / 2)) * deviation
    note = f"{len(real)} real pictures; {subsets} subsets of {size}"
    return Estimate(value, value - half, value + half, len(generated), note)


METRIC = MetricSpec(
    name="kid",
    quantity=Quantity("KID", "squared MMD", "lower"),
    needs=frozenset({"extractor", "generated", "training", "held_out"}),
    measure=measure,
    settings=KidSettings,
)
