"""Where scores meet thresholds."""

from __future__ import annotations

import pytest

from platen.components.clean_text.judging import judge
from platen.components.clean_text.settings import CleanTextSettings
from platen.core.errors import SettingsError
from platen.core.settings import parse

ENGLISH = {"language_en": 0.9, "language_other": 0.05, "script": 1.0}


def reason(text: str, words: int, **settings: object) -> str | None:
    found = judge(text, {"words": float(words), **ENGLISH}, CleanTextSettings(**settings))
    return found and found[0]


@pytest.mark.parametrize("text", ["", "—", "?!", "🚀"])
def test_nothing_to_read(text: str) -> None:
    assert reason(text, 0) == "empty_caption"
    assert reason("a dog", 2) is None


def test_length() -> None:
    assert reason("dog", 1) == "caption_too_short"
    assert reason("dog", 1, min_words=1) is None
    assert reason("a dog and", 3, max_words=2) == "caption_too_long"
    assert reason("a dog", 2, max_words=2) is None


@pytest.mark.parametrize(("other", "margin", "kept"), [(0.4, 0.2, False), (0.3, 0.2, True), (0.9, 1.0, True)])
def test_margin_of_the_language(other: float, margin: float, kept: bool) -> None:
    scores = {"words": 5.0, "language_en": 0.1, "language_other": other, "script": 1.0}
    found = judge("five words of one caption", scores, CleanTextSettings(language_margin=margin))
    assert (found is None) == kept


def test_few_words_are_judged_by_their_script_alone() -> None:
    scores = {"words": 3.0, "language_en": 0.0, "language_other": 0.99, "script": 1.0}
    assert judge("le chat noir", scores, CleanTextSettings()) is None
    found = judge("чёрный кот", {**scores, "script": 0.0}, CleanTextSettings())
    assert found is not None
    assert found[0] == "wrong_language"


def test_lengths_in_the_wrong_order() -> None:
    with pytest.raises(SettingsError, match="min_words 5 is above max_words 3"):
        parse(CleanTextSettings, "{min_words: 5, max_words: 3}")
