"""How well pictures fit their prompts, as the judge sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platen.artifacts.evaluation import Metric
from platen.components.evaluate.metric import insufficient, mean, share
from platen.components.evaluate.settings import EvaluateSettings


def scores(pictures: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """CLIP score (n,) of each picture and the text beside it (Hessel et al. 2021, without its cut at 0): cosine × 100.

    Args:
        pictures: Embeddings (n, d) of length 1.
        texts: The same.
    """
    found: np.ndarray = 100 * (pictures * texts).sum(axis=1)
    return found


def measure_clip_score(values: Sequence[float], settings: EvaluateSettings) -> Metric:
    """The mean CLIP score of generated pictures."""
    return mean(values, settings.confidence, settings.min_samples, "cosine x 100", "higher")


def measure_real_clip_score(values: Sequence[float], settings: EvaluateSettings) -> Metric:
    """The mean CLIP score of real pictures and their captions: what a perfect model would reach."""
    note = "held-out pictures and their own captions, for comparison"
    return mean(values, settings.confidence, settings.min_samples, "cosine x 100", "none", note)


@dataclass(frozen=True, slots=True)
class Match:
    """The prompt that fits a picture best, and whether it is the one it was made from, ahead of all others."""

    best_prompt: str
    retrieved: bool


def retrieve(pictures: np.ndarray, prompts: Sequence[str], candidates: Sequence[str], texts: np.ndarray) -> list[Match]:
    """Find each picture's prompt among all candidates. A tie does not count as found.

    Args:
        pictures: Embeddings (n, d) of length 1.
        prompts: What each picture was made from; all among the candidates.
        candidates: Distinct prompts, in a fixed order.
        texts: Their embeddings (m, d) of length 1.
    """
    fits = pictures @ texts.T
    place = {text: number for number, text in enumerate(candidates)}
    matches = []
    for row, prompt in zip(fits, prompts, strict=True):
        own = place[prompt]
        found = bool(row[own] > np.delete(row, own).max(initial=-np.inf))
        matches.append(Match(prompt if found else candidates[int(row.argmax())], found))
    return matches


def measure_retrieval(matches: Sequence[Match], candidates: int, settings: EvaluateSettings) -> Metric:
    """The share of pictures whose own prompt fits best."""
    if candidates < 2:
        return insufficient(candidates, 2, "share", "higher", f"prompts outside the group {settings.neutral_group}")
    hits = sum(match.retrieved for match in matches)
    note = f"among {candidates} prompts; chance is {1 / candidates:.3g}; group {settings.neutral_group} left out"
    return share(hits, len(matches), settings.confidence, settings.min_samples, "higher", note)
