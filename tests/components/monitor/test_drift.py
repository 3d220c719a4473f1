from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from platen.components.monitor.drift import count_words, distance, measure_drift, measure_unknown
from platen.components.monitor.estimates import Estimate
from tests.tiny_model import CAPTIONS

KNOWN = count_words(CAPTIONS)
COUNTS = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any)


def drift(prompts: list[str], captions: Counter[str] = KNOWN, seed: int = 0) -> Estimate:
    found = measure_drift(prompts, captions, 200, 0.95, seed)
    assert found is not None
    return found


def draws(texts: list[str], n: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [generator.choice(texts) for _ in range(n)]


@given(COUNTS, COUNTS)
def test_the_distance_is_that_of_scipy(first: list[int], second: list[int]) -> None:
    found = distance(np.array(first, float), np.array(second, float))
    expected = jensenshannon(first, second, base=2)
    assert found == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-7)
    assert found == pytest.approx(distance(np.array(second, float), np.array(first, float)))


def test_no_word_in_common_is_one_and_the_same_words_are_none() -> None:
    assert drift(["cat sofa"] * 5).value == pytest.approx(1)
    assert drift(CAPTIONS).value == pytest.approx(0, abs=1e-6)


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


def unknown(prompts: list[str]) -> Estimate:
    found = measure_unknown(prompts, KNOWN, 400, 0.95, 0)
    assert found is not None
    return found


def test_unknown_words_are_counted_as_often_as_they_occur() -> None:
    assert unknown(["a red cat", "cat"]).value == 0.5
    assert measure_unknown(["!"], KNOWN, 400, 0.95, 0) is None


def test_one_long_prompt_of_unknown_words_makes_no_share_certain() -> None:
    found = unknown([*CAPTIONS[:29], "lorem ipsum dolor sit amet " * 20])
    assert found.value > 0.3
    assert found.low == 0
    assert unknown([f"{caption} purple unicorn" for caption in CAPTIONS[:30]]).low > 0.2


def test_the_share_of_unknown_words_is_in_its_interval_as_often_as_it_says() -> None:
    """A third of the prompts has four unknown words of nine, the rest none of five: 4 / 19 of all words."""
    asked = ["a red circle on a cat dog fish bird"] + ["a red circle on a"] * 2
    found = [unknown(draws(asked, 40, seed)) for seed in range(100)]
    assert sum(one.low <= 4 / 19 <= one.high for one in found) >= 88


@pytest.mark.parametrize(
    ("captions", "prompt"),
    [
        (["白色背景上的红色圆形", "黑色背景上的蓝色方形"], "白色背景上的蓝色圆形"),
        (["白い背景の赤い円", "黒い背景の青い四角"], "黒い背景の赤い円"),
        (["วงกลมสีแดงบนพื้นหลังสีขาว", "สี่เหลี่ยมสีน้ำเงินบนพื้นหลังสีดำ"], "วงกลมสีน้ำเงินบนพื้นหลังสีขาว"),
    ],
    ids=["chinese", "japanese", "thai"],
)
def test_a_prompt_in_a_language_without_spaces_is_known_by_its_characters(captions: list[str], prompt: str) -> None:
    found = measure_unknown([prompt] * 2, count_words(captions), 100, 0.95, 0)
    assert found is not None
    assert found.value == 0
