"""Captions with faults."""

from __future__ import annotations

import re
import unicodedata

import pytest

from platen.components.sample import captions

CLEAN = "a red circle on a white background"
PATTERNS = {
    "html": r"<[a-z/]",
    "email": r"\S@\S",
    "phone": r"\d{2,}.*\d{4}",
    "url": r"https?://|www\.",
    "control_characters": r"[\x00-\x1f\u200b]",
}


@pytest.mark.parametrize("name", captions.SOILED)
def test_soiled_captions_have_their_fault_and_no_other(name: str) -> None:
    for soil in captions.SOILED[name]:
        found = {other for other, pattern in PATTERNS.items() if re.search(pattern, soil(CLEAN))}
        assert found == {name}


def test_a_soiled_caption_still_has_all_words_of_the_clean_one() -> None:
    for soils in captions.SOILED.values():
        for soil in soils:
            words = re.sub(r"<[^>]*>|&nbsp;", " ", soil(CLEAN)).split()
            kept = ["".join(c for c in word if unicodedata.category(c)[0] != "C") for word in words]
            assert [word for word in kept if word in CLEAN.split()] == CLEAN.split()


def test_bad_captions_are_far_from_the_clean_ones() -> None:
    assert all(len(text.split()) == 1 for text in captions.TOO_SHORT)
    assert all(len(text) > 2000 for text in captions.TOO_LONG)
    assert all(re.sub(r"<[^>]*>", "", text).strip() == "" for text in captions.EMPTY)
