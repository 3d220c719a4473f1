from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from platen.components.monitor.drift import Drift, count_words, distance, measure_drift, unknown_share, words
from tests.tiny_model import CAPTIONS

KNOWN = count_words(CAPTIONS)
COUNTS = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any)


def drift(prompts: list[str], captions: Counter[str] = KNOWN, seed: int = 0) -> Drift:
    found = measure_drift(prompts, captions, 200, 0.95, seed)
    assert found is not None
    return found


def draws(texts: list[str], n: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [generator.choice(texts) for _ in range(n)]


def test_words_are_lower_case_without_punctuation() -> None:
    found = words("A Red, well-drawn CIRCLE (Müller's)! 蓝 3_4")
    assert found == [
        "a",
        "red",
        "well-drawn",
        "circle",
        "müller's",
        "蓝",
        "3",
        "4",
    ]


@given(st.text())
def test_words_of_words_are_the_same(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found


@given(COUNTS, COUNTS)
def test_the_distance_is_that_of_scipy(first: list[int], second: list[int]) -> None:
    found = distance(np.array(first, float), np.array(second, float))
    expected = jensenshannon(first, second, base=2)
    assert found == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-7)
    assert found == pytest.approx(distance(np.array(second, float), np.array(first, float)))


def test_no_word_in_common_is_one_and_the_same_words_are_none() -> None:
    assert drift(["cat sofa"] * 5).distance == pytest.approx(1)
    assert drift(CAPTIONS).distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("n", [16, 30, 200])
def test_prompts_like_the_captions_have_not_drifted(n: int) -> None:
    assert all(drift(draws(CAPTIONS, n, seed)).low < 0.15 for seed in range(10))


def test_prompts_on_other_subjects_have() -> None:
    other = ["a photo of a cat on a sofa", "a dog running in the park", "mountains at sunset"]
    assert all(drift(draws(other, 30, seed)).low > 0.7 for seed in range(10))


def test_more_prompts_give_a_narrower_interval() -> None:
    mixed = [*CAPTIONS[:20], "a photo of a cat", "a dog in the park"]
    few, many = (drift(draws(mixed, n, 0)) for n in (30, 1000))
    assert 0 <= few.low < few.high <= 1
    assert many.high - many.low < few.high - few.low


def test_the_same_seed_gives_the_same_interval() -> None:
    prompts = draws([*CAPTIONS, "a cat"], 40, 1)
    assert drift(prompts) == drift(prompts)
    assert drift(prompts) != drift(prompts, seed=1)


def test_without_a_word_there_is_no_distance() -> None:
    assert measure_drift(["!!!", "..."], KNOWN, 100, 0.95, 0) is None
    assert measure_drift(["a circle"], Counter(), 100, 0.95, 0) is None


def test_unknown_words_are_counted_as_often_as_they_occur() -> None:
    assert unknown_share(["a red cat", "cat"], KNOWN) == 0.5
    assert unknown_share(["!"], KNOWN) is None
