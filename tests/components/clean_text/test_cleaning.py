"""All rules together."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platen.components.clean_text.cleaning import clean

MODES = ("remove", "mark")
PIECES = "<p> </p> < > &amp; &lt; &nbsp; amp; @ a bc . .org http:// www. +49 (202) 555-0143 7 , ( ) call at [email] 👩"
SEPARATORS = [" ", "\n", "\x07", "\u200b", "\u200d", "e\u0301", "\u0301"]
SOUP = st.lists(st.sampled_from([*PIECES.split(), *SEPARATORS]), max_size=25).map("".join)


@pytest.mark.parametrize(
    ("text", "cleaned", "repaired"),
    [
        ("<div class='caption'><b>a red circle</b><br/></div>", "a red circle", {"html"}),
        ("a&nbsp;red circle", "a red circle", {"html"}),
        ("a \x1fred circle\x07", "a red circle", {"control_characters"}),
        ("a red circle me@example.org", "a red circle", {"email"}),
        ("a red circle www.example.org", "a red circle", {"url"}),
        ("a red circle (202) 555-0143", "a red circle", {"phone"}),
        ("  a \t red\n\ncircle ", "a red circle", set()),
        ("cafe\u0301 table", "café table", set()),
        ("&lt;p&gt;a dog&lt;/p&gt;", "a dog", {"html"}),
        (
            "me\u200b@example.org, a <i>dog</i>, +49 30 90182 4455",
            "a dog",
            {"html", "control_characters", "email", "phone"},
        ),
    ],
)
def test_what_is_repaired_is_told(text: str, cleaned: str, repaired: set[str]) -> None:
    result = clean(text)
    assert result.text == cleaned
    assert result.repaired == repaired


@given(st.text(st.characters()) | SOUP, st.sampled_from(MODES))
@example("&amp;" * 3 + "lt;p>", "remove")
@example("&" + "amp;" * 40, "remove")
def test_cleaning_twice_is_cleaning_once(text: str, mode: str) -> None:
    once = clean(text, mode)
    twice = clean(once.text, mode)
    assert twice.text == once.text
    assert not twice.repaired


@given(st.text(st.characters()) | SOUP)
def test_what_comes_out_is_plain_text(text: str) -> None:
    cleaned = clean(text).text
    assert cleaned == unicodedata.normalize("NFC", cleaned) == " ".join(cleaned.split())
    cleaned.encode()
