"""Names that no file can have, and texts that no file can hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.ingest.names import encodable, fault, whole

anything = st.text(st.characters(exclude_categories=[]))  # lone surrogates too


@given(anything)
def test_any_name_and_text_can_be_written_down(text: str) -> None:
    encodable(text).encode()
    whole(text).encode()


@given(st.text())
def test_what_can_be_written_down_stays_as_it_is(text: str) -> None:
    assert whole(text) == encodable(text) == text


def test_halves_of_characters_become_replacements_and_pairs_one_character() -> None:
    assert whole("a cat \ud83d!") == "a cat \ufffd!"
    assert whole("\ud83d\ude00") == "\U0001f600"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("in/caf\udce9.png", "is not UTF-8"),
        ("a\0.png", "has a zero byte"),
        (f"{'é' * 126}.png/b.png", "has a part of more than 255 bytes"),
        (f"{'é' * 125}x.png/{'n' * 255}", None),
    ],
)
def test_paths_that_no_file_can_have(path: str, why: str | None) -> None:
    assert fault(path) == why
