"""How far the distribution of generated pictures is from that of real ones: FID and KID.

Both are torchmetrics', on features that were extracted once.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from platen.artifacts.evaluation import Metric
from platen.components.evaluate.intervals import jackknife
from platen.components.evaluate.metric import insufficient
from platen.components.evaluate.settings import EvaluateSettings

GROUPS = 10  # of the jackknife
LARGEST_SUBSET = 1000  # pictures, as in the paper on KID (Binkowski et al. 2018)


class Extracted(nn.Identity):
    """Hands features through where torchmetrics wants a network; `num_features` is what it asks such a one for."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def frechet_distance(generated: np.ndarray, real: np.ndarray) -> float:
    """FID of features (n, d) (Heusel et al. 2017)."""
    metric = FrechetInceptionDistance(Extracted(real.shape[1])).set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(generated), real=False)
    return float(metric.compute())


def kernel_distance(
    generated: np.ndarray, real: np.ndarray, subsets: int, subset_size: int, seed: int
) -> tuple[float, float]:
    """KID of features (n, d): its mean and standard deviation over random subsets (Binkowski et al. 2018)."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all", UserWarning)
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(Extracted(real.shape[1]), subsets=subsets, subset_size=subset_size)
        metric.update(torch.from_numpy(real), real=True)
        metric.update(torch.from_numpy(generated), real=False)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def measure_fid(generated: np.ndarray, real: np.ndarray, settings: EvaluateSettings) -> Metric:
    """FID with a jackknife interval and a note on its bias."""
    unit = "squared distance"
    needed = max(settings.min_samples, 2 * GROUPS)
    for features, what in ((generated, "generated pictures"), (real, "real pictures")):
        if len(features) < needed:
            return insufficient(len(features), needed, unit, "lower", what)
    found = jackknife(frechet_distance, generated, real, settings.confidence, GROUPS, settings.seed)
    note = f"{len(real)} real pictures; too high by about {found.bias:.3g} at this n (jackknife)"
    if min(len(generated), len(real)) <= real.shape[1]:
        note += f"; fewer pictures than the {real.shape[1]} features: compare it only with the same n"
    low = max(found.low, 0.0)
    return Metric(
        value=found.value, low=low, high=found.high, n=len(generated), unit=unit, direction="lower", note=note
    )


def measure_kid(generated: np.ndarray, real: np.ndarray, settings: EvaluateSettings) -> Metric:
    """KID with an interval from the spread over its subsets.

    A subset has half of the smaller sample: then the spread is the standard error of the delete-half jackknife, not
    too small; for subsets that stop at LARGEST_SUBSET it is too large.
    """
    from scipy import stats

    unit = "squared MMD"
    n = min(len(generated), len(real))
    needed = max(settings.min_samples, 4)
    if n < needed:
        return insufficient(n, needed, unit, "lower")
    size = min(n // 2, LARGEST_SUBSET)
    value, deviation = kernel_distance(generated, real, settings.kid_subsets, size, settings.seed)
    half = float(stats.norm.ppf((1 + settings.confidence) / 2)) * deviation
    note = f"{len(real)} real pictures; {settings.kid_subsets} subsets of {size}"
    low, high = value - half, value + half
    return Metric(value=value, low=low, high=high, n=len(generated), unit=unit, direction="lower", note=note)
