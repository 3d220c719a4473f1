"""How well pictures fit their prompts, as the judge sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platen.artifacts.evaluation import tidy
from platen.components.evaluate.context import Context


def scores(pictures: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """CLIP score (n,) of each picture and the text beside it (Hessel et al. 2021, without its cut at 0): cosine × 100.

    Args:
        pictures: Embeddings (n, d) of length 1.
        texts: The same.
    """
    found: np.ndarray = 100 * (pictures * texts).sum(axis=1)
    return found


def score_generated(context: Context) -> list[float]:
    """Return the CLIP score of each generated image and its prompt, with six significant digits."""
    return [tidy(value) for value in scores(context.seen.generated_embeddings, context.prompt_embeddings).tolist()]


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


def match_generated(context: Context) -> dict[int, Match]:
    """Find the prompts of generated images among all prompts, by place in the index; without the neutral group."""
    full = [number for number, one in enumerate(context.seen.generated) if one.group != context.settings.neutral_group]
    prompts = [context.prompts[number] for number in full]
    candidates = sorted(set(prompts))
    texts = context.embed_texts(candidates)
    return dict(zip(full, retrieve(context.seen.generated_embeddings[full], prompts, candidates, texts), strict=True))
