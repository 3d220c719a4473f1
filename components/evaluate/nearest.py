"""The nearest training picture of each picture, and the distance below which two count as copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 1024  # rows whose distances are in memory at once


@dataclass(frozen=True, slots=True)
class Nearest:
    """For each picture its nearest training picture: place in the training set (n,), cosine distance (n,)."""

    places: np.ndarray
    distances: np.ndarray


def nearest(pictures: np.ndarray, training: np.ndarray, *, same: bool = False) -> Nearest:
    """The nearest training picture of each picture, by cosine distance of their features.

    Args:
        pictures: Features (n, d).
        training: Features (m, d), m at least 2.
        same: Both are the same set; then a picture is not its own neighbour.
    """
    left, right = _unit(pictures), _unit(training)
    places, distances = [], []
    for start in range(0, len(left), BLOCK):
        block = 1 - left[start : start + BLOCK] @ right.T
        if same:
            rows = np.arange(len(block))
            block[rows, start + rows] = np.inf
        places.append(block.argmin(axis=1))
        distances.append(block.min(axis=1))
    if not places:
        return Nearest(np.zeros(0, dtype=int), np.zeros(0))
    return Nearest(np.concatenate(places), np.maximum(np.concatenate(distances), 0.0))


def threshold(training: np.ndarray, quantile: float) -> float:
    """The distance below which two pictures count as copies: a quantile of how close training pictures are."""
    return float(np.quantile(nearest(training, training, same=True).distances, quantile))


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, np.finfo(np.float64).tiny)
    return unit
