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
