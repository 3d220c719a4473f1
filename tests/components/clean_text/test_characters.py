"""Characters that nobody sees, and white space."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.clean_text.characters import single_spaces, without_control_characters

ANY = st.text(st.characters())  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x07a dog\x1b", "a dog"),
        ("a\x1fdog", "a dog"),
        ("a do\u200bg", "a dog"),
        ("\ufeffa dog", "a dog"),
        ("a\u202edog\u202c", "adog"),
        ("do\u00adg", "dog"),
        ("a \ud800dog", "a dog"),
        ("a \ue000dog", "a dog"),
        ("do\u200dg", "dog"),
        ("a\tdog\r\n", "a\tdog\r\n"),
    ],
)
def test_unseen_characters_go(text: str, seen: str) -> None:
    assert without_control_characters(text) == seen


@pytest.mark.parametrize("text", ["👩\u200d🚀 in space", "می\u200cخواهم", "naïve café", "中文 text"])
def test_what_holds_letters_together_stays(text: str) -> None:
    assert without_control_characters(text) == text


@given(ANY)
def test_nothing_unseen_is_left(text: str) -> None:
    clean = single_spaces(without_control_characters(text))
    assert not {"Cc", "Cs", "Co"} & {unicodedata.category(one) for one in clean}
    assert clean == " ".join(clean.split())
    clean.encode()
