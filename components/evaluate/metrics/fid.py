"""FID: how far the distribution of generated images is from that of real ones (Heusel et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platen.components.evaluate.context import Context
from platen.components.evaluate.estimates import Estimate, insufficient
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, NoSettings, Quantity

if TYPE_CHECKING:
    import numpy as np

    from platen.components.evaluate.settings import EvaluateSettings

GROUPS = 10  # of the jackknife


def measure(context: Context, settings: NoSettings) -> Measurement:
    """Compare the features of generated images with those of all real ones."""
    import numpy as np

    real = np.concatenate([context.seen.training_features, context.seen.held_out_features])
    return Measurement(measure_fid(context.seen.generated_features, real, context.settings))


def measure_fid(generated: np.ndarray, real: np.ndarray, settings: EvaluateSettings) -> Estimate:
    """Estimate FID of features (n, d) with a jackknife interval and a note on its bias."""
    from platen.components.evaluate.distribution import frechet_distance
    from platen.components.evaluate.intervals import jackknife

    needed = max(settings.min_samples, 2 * GROUPS)
    for features, what in ((generated, "generated pictures"), (real, "real pictures")):
        if len(features) < needed:
            return insufficient(len(features), needed, what)
    found = jackknife(frechet_distance, generated, real, settings.confidence, GROUPS, settings.seed)
    note = f"{len(real)} real pictures; too high by about {found.bias:.3g} at this n (jackknife)"
    if min(len(generated), len(real)) <= real.shape[1]:
        note += f"; fewer pictures than the {real.shape[1]} features: compare it only with the same n"
    return Estimate(found.value, max(found.low, 0.0), found.high, len(generated), note)


METRIC = MetricSpec(
    name="fid",
    quantity=Quantity("FID", "squared distance", "lower"),
    needs=frozenset({"extractor", "generated", "training", "held_out"}),
    measure=measure,
)
