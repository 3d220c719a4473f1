"""Whether a caption is kept: the one place where scores meet thresholds."""

from __future__ import annotations

from collections.abc import Mapping

from platen.components.clean_text.language import OTHER, SCRIPT
from platen.components.clean_text.settings import CleanTextSettings

WORDS = "words"
ENOUGH_WORDS = 4  # for the detector; of fewer only the script is judged: names and titles are in every language
HALF = 0.5


def judge(text: str, scores: Mapping[str, float], settings: CleanTextSettings) -> tuple[str, str] | None:
    """The reason to drop a cleaned caption and what was seen; None where it stays."""
    words = int(scores[WORDS])
    if not text or not any(character.isalnum() for character in text):
        return "empty_caption", "nothing is left after cleaning"
    if words < settings.min_words:
        return "caption_too_short", f"{words} words; at least {settings.min_words}"
    if words > settings.max_words:
        return "caption_too_long", f"{words} words; at most {settings.max_words}"
    if settings.languages and _is_foreign(words, scores, settings):
        own = ", ".join(f"{code} {scores[f'language_{code}']:.2f}" for code in settings.languages)
        return "wrong_language", f"probability {own}, another language {scores[OTHER]:.2f}; script {scores[SCRIPT]:.2f}"
    return None


def _is_foreign(words: int, scores: Mapping[str, float], settings: CleanTextSettings) -> bool:
    if scores[SCRIPT] < HALF:
        return True
    own = sum(scores[f"language_{code}"] for code in settings.languages)
    return words >= ENOUGH_WORDS and scores[OTHER] - own > settings.language_margin
