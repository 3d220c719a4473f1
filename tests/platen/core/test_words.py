from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.words import words


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


def test_korean_and_mixed_texts_are_cut_where_the_words_end() -> None:
    assert words("빨간 원 on 白い背景2つ") == ["빨간", "원", "on", "白", "い", "背", "景", "2", "つ"]


def test_full_width_and_composed_forms_are_the_same_words() -> None:
    assert words("ＲＥＤ ｶﾞ cafe\u0301") == words("red ガ café") == ["red", "ガ", "café"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a red circle", 3),
        ("don't stop", 2),
        ("X-ray, 12 pm!", 3),
        ("白色背景", 4),
        ("Красный круг", 2),
        ("—!?", 0),
        ("snake_case", 2),
    ],
)
def test_words_of_any_script_are_counted(text: str, count: int) -> None:
    assert len(words(text)) == count
