"""How far the words of prompts are from the words of the training captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from platen.components.monitor.estimates import Estimate, resample
from platen.core.words import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return counts


def measure_unknown(
    prompts: Sequence[str], known: Counter[str], resamples: int, confidence: float, seed: int
) -> Estimate | None:
    """Which share of the words in the prompts no caption has; none where there is no word.

    Interval: the percentile bootstrap over whole prompts (Efron and Tibshirani 1993, chapter 13), because the words of
    one prompt belong together.
    """
    import numpy as np

    counted = [found for found in (count_words([prompt]) for prompt in prompts) if found]
    if not counted:
        return None
    totals = np.array([found.total() for found in counted])
    unknown = np.array([sum(n for word, n in found.items() if word not in known) for found in counted])
    again = [(drawn @ unknown) / (drawn @ totals) for drawn in resample(len(counted), resamples, seed)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(again, [tail, 1 - tail])
    return Estimate(float(unknown.sum() / totals.sum()), float(low), float(high))


def measure_drift(
    prompts: Sequence[str], captions: Counter[str], resamples: int, confidence: float, seed: int
) -> Estimate | None:
    """The Jensen-Shannon distance between the words of prompts and of captions, with a bootstrap interval.

    Distance: the square root of the divergence in bits (Lin 1991; a metric by Endres and Schindelin 2003): 0 (the same
    words as often) to 1 (no word in common).
    Interval: the basic bootstrap over whole prompts (Davison and Hinkley 1997, section 5.2). A sample of prompts lies
    further from the captions than the prompts themselves do, only because it is small; the basic bootstrap takes that
    bias out, the percentile bootstrap would double it.

    Returns:
        None where prompts or captions have no word.
    """
    import numpy as np
    from scipy.sparse import csr_array

    counted = [count_words([prompt]) for prompt in prompts]
    vocabulary = {word: i for i, word in enumerate(sorted(set(captions).union(*counted)))}
    reference = np.zeros(len(vocabulary))
    reference[[vocabulary[word] for word in captions]] = list(captions.values())
    entries = [(row, vocabulary[word], count) for row, found in enumerate(counted) for word, count in found.items()]
    if not entries or reference.sum() == 0:
        return None
    rows, columns, values = zip(*entries, strict=True)
    table = csr_array((np.array(values, float), (rows, columns)), shape=(len(prompts), len(vocabulary)))
    found = distance(table.sum(axis=0), reference)
    again = [distance(drawn @ table, reference) for drawn in resample(len(prompts), resamples, seed)]
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(again, [tail, 1 - tail])
    low, high = np.clip([2 * found - upper, 2 * found - lower], 0, 1)
    return Estimate(found, float(low), float(high))


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Jensen-Shannon distance of two vectors of counts, shape (words,) each: 0 to 1."""
    import numpy as np
    from scipy.special import rel_entr

    if first.sum() == 0 or second.sum() == 0:
        return 1.0
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum()) / 2 / np.log(2)
    return float(np.sqrt(np.clip(divergence, 0, 1)))
