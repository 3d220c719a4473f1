"""How often each value of an attribute comes out where the prompt leaves it open, against a reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platen.components.evaluate.estimates import Estimate, insufficient, share
from platen.components.evaluate.intervals import goodman_intervals
from platen.components.evaluate.metrics.bias import BiasSettings, Value
from platen.components.evaluate.settings import EvaluateSettings
from platen.components.evaluate.towers import Judge
from platen.components.evaluate.variation import distance_interval, total_variation


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures with their prompts or captions, and the judge's embeddings (n, d) of them."""

    texts: Sequence[str]
    embeddings: np.ndarray

    def where(self, chosen: Sequence[bool]) -> Shown:
        """Those that are chosen."""
        texts = [text for text, one in zip(self.texts, chosen, strict=True) if one]
        return Shown(texts, self.embeddings[np.array(chosen, dtype=bool)])


@dataclass(frozen=True, slots=True)
class ValueFinding:
    """How often one value came out, and its share among those of the attribute."""

    value: Value
    count: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class AttributeFinding:
    """What was found of one attribute.

    Attributes:
        prompts: What was asked for.
        distance: Of the shares that came out from their references.
        abstained: How often the judge saw none of the values.
        judge_accuracy: How often the judge is right on held-out images.
        values: What the attribute can be.
    """

    prompts: list[str]
    distance: Estimate
    abstained: Estimate
    judge_accuracy: Estimate
    values: list[ValueFinding]


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of the stage and of the metric, as far as attributes are measured by them."""

    margin: float
    bootstraps: int
    confidence: float
    min_samples: int
    seed: int

    @classmethod
    def of(cls, own: BiasSettings, stage: EvaluateSettings) -> Rules:
        """Take them from the two sections."""
        return cls(own.margin, own.bootstraps, stage.confidence, stage.min_samples, stage.seed)


def measure(values: Sequence[Value], judge: Judge, neutral: Shown, real: Shown, rules: Rules) -> AttributeFinding:
    """Measure one attribute.

    Args:
        values: What the attribute can be.
        judge: Says which one a picture shows, or abstains.
        neutral: Generated pictures of the neutral group; those whose prompt names a value are left out.
        real: Held-out pictures: how often the judge is right is measured on those whose caption names one value.
        rules: How it is measured.
    """
    phrases = embed_values(values, judge)
    asked = neutral.where([not named(text, values) for text in neutral.texts])
    labels = classify(asked.embeddings, phrases, judge.scale, rules.margin)
    counts = [int((labels == number).sum()) for number in range(len(values))]
    abstained = len(labels) - sum(counts)
    return AttributeFinding(
        prompts=sorted(set(asked.texts)),
        distance=measure_distance(counts, [value.reference for value in values], rules),
        abstained=share(abstained, len(labels), rules.confidence, rules.min_samples),
        judge_accuracy=measure_judge(values, phrases, judge.scale, real, rules),
        values=describe_values(values, counts, rules),
    )


def named(text: str, values: Sequence[Value]) -> list[int]:
    """Which values a text names, as whole words."""
    folded = text.casefold()
    return [
        number
        for number, value in enumerate(values)
        if re.search(rf"(?<!\w){re.escape(value.value.casefold())}(?!\w)", folded)
    ]


def embed_values(values: Sequence[Value], judge: Judge) -> np.ndarray:
    """An embedding (values, d) of length 1 for each value: the mean over its prompts."""
    means = np.stack([judge.read(value.prompts).mean(axis=0) for value in values])
    unit: np.ndarray = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit


def classify(pictures: np.ndarray, phrases: np.ndarray, scale: float, margin: float) -> np.ndarray:
    """The value (n,) that each picture shows, -1 where the judge abstains: no value leads by the margin.

    Args:
        pictures: Embeddings (n, d) of length 1.
        phrases: Embeddings (values, d) of length 1.
        scale: Of the judge's logits.
        margin: Lead in probability.
    """
    logits = scale * pictures @ phrases.T
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    ranked = np.sort(shares, axis=1)
    return np.where(ranked[:, -1] - ranked[:, -2] > margin, shares.argmax(axis=1), -1)


def measure_distance(counts: Sequence[int], reference: Sequence[float], rules: Rules) -> Estimate:
    """Estimate the total variation between the shares that came out and the reference.

    0 where they are the same, 1 where they have nothing in common. A small sample is never at 0: the interval allows
    for it, and the note says how far a model without any bias would be at this n.
    """
    n = sum(counts)
    if n < rules.min_samples:
        return insufficient(n, rules.min_samples, "judged pictures")
    wanted = np.array(reference) / sum(reference)
    value = float(total_variation(np.array(counts) / n, wanted))
    low, high = distance_interval(counts, wanted, rules.confidence, rules.bootstraps, rules.seed)
    generator = np.random.default_rng(rules.seed)
    fair = total_variation(generator.multinomial(n, wanted, rules.bootstraps) / n, wanted).mean()
    return Estimate(value, low, high, n, f"a model without bias would show {fair:.2g} at this n")


def measure_judge(values: Sequence[Value], phrases: np.ndarray, scale: float, real: Shown, rules: Rules) -> Estimate:
    """Estimate how often the judge is right, where it does not abstain, on images whose caption names one value."""
    names = [named(text, values) for text in real.texts]
    known = real.where([len(found) == 1 for found in names])
    truth = np.array([found[0] for found in names if len(found) == 1], dtype=int)
    labels = classify(known.embeddings, phrases, scale, rules.margin)
    decided = labels >= 0
    hits = int((labels[decided] == truth[decided]).sum())
    note = "the judge on held-out pictures whose caption names the value"
    return share(hits, int(decided.sum()), rules.confidence, rules.min_samples, note)


def describe_values(values: Sequence[Value], counts: Sequence[int], rules: Rules) -> list[ValueFinding]:
    """Each value's count and share; the intervals hold all at once (Goodman), with no number where data are too few."""
    n = sum(counts)
    if n < rules.min_samples:
        shares = [insufficient(n, rules.min_samples, "judged pictures")] * len(values)
    else:
        ends = goodman_intervals(counts, rules.confidence)
        shares = [Estimate(count / n, low, high, n) for count, (low, high) in zip(counts, ends, strict=True)]
    return [ValueFinding(*found) for found in zip(values, counts, shares, strict=True)]
