"""HTML to text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.clean_text.markup import without_markup

TAGS = ["<", ">", "<![", "<!", "<?", "</", "<p>", "<br/>", "<script>", "</script>", "<!--", "-->", "]]>"]
PIECES = st.sampled_from([*TAGS, "&", "&lt;", "&#0;", "a", " ", '"', "="])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<p>a red circle</p>", "a red circle"),
        ("one<br>two<br/>three", "one two three"),
        ("a <b>re</b>d circle", "a red circle"),
        ("salt &amp; pepper", "salt & pepper"),
        ("caf&eacute; &#8211; &#x41;", "café – A"),
        ("<script>alert('x')</script>a dog", "a dog"),
        ("<style>p {color: red}</style>a dog", "a dog"),
        ("a dog<!-- not seen -->", "a dog"),
        ("<![what is this]>a dog", "a dog"),
        ("<a href='http://x.example/?a=1'>a dog</a>", "a dog"),
    ],
)
def test_what_a_browser_shows(text: str, shown: str) -> None:
    assert " ".join(without_markup(text).split()) == shown


@pytest.mark.parametrize("text", ["3 < 4 and 5 > 2", "i <3 you", "AT&T", "x <b", "R&D & more", "a > b"])
def test_text_that_is_no_markup_stays(text: str) -> None:
    assert without_markup(text) == text


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_soup_gives_text_that_is_no_longer(soup: str) -> None:
    assert len(without_markup(soup)) <= len(soup)
    assert without_markup(f"a dog<p>{soup}").startswith("a dog ")
