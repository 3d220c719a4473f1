"""Cut texts into words: one definition, so that the word counts of captions and of prompts can be compared."""

from __future__ import annotations

import re
import unicodedata

# Scripts that put no space between words: Han, Kana, Thai, Lao, Myanmar and Khmer. Each character counts as a word:
# a whole sentence as one word would be in no other text.
UNSPACED = (
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1780-\u17d3"
)
LETTER = rf"[^\W_{UNSPACED}]"
WORD = re.compile(rf"[{UNSPACED}]|{LETTER}+(?:['’-]{LETTER}+)*")


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case, without punctuation; full-width and other variants as the plain form.

    Folded as Unicode defines the caseless match of compatibility forms (NFKC, case folding, NFKC).
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(unicodedata.normalize("NFKC", folded))
