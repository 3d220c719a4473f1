"""Which language a caption is in."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from typing import Any

from platen.core.errors import SettingsError

# The detector decides among these and the wanted ones: of 140, some small one always fits three words better.
COMMON = "ar cs da de el en es fi fr he hi hu id it ja ko nl no pl pt ro ru sv th tr uk vi zh"
SCRIPTS = {  # first word of the characters' Unicode names; languages that are not named here are in Latin script
    "ARABIC": "ar arz ary fa ps sdh ug ur",
    "ARMENIAN": "hy",
    "BENGALI": "as bn",
    "CJK": "ja wuu yue zh",
    "CYRILLIC": "ba be bg kk ky mk mn ru sr tg tt uk",
    "DEVANAGARI": "gom hi mr ne sa",
    "ETHIOPIC": "am",
    "GEORGIAN": "ka",
    "GREEK": "el grc",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "hbo he",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KATAKANA": "ja",
    "KHMER": "km",
    "LAO": "lo",
    "LATIN": "sr",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "dz",
}
OTHER = "language_other"
SCRIPT = "script"


class Languages:
    """Tells how probable it is that a text is in one of the wanted languages.

    The detector is py3langid (Lui and Baldwin, "langid.py", ACL 2012), whose model lies in its package.

    Raises SettingsError for a language that it does not know.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        self.wanted = tuple(wanted)
        self._scripts = scripts_of(wanted)
        self._detector = _load() if wanted else None
        if self._detector is not None:
            known = sorted(self._detector.labels)
            for code in wanted:
                if code not in known:
                    raise SettingsError("clean_text.languages", f"{code!r} is not a known language", ", ".join(known))
            self._detector.set_languages(sorted({*COMMON.split(), *wanted}))

    def score(self, text: str) -> dict[str, float]:
        """Probability of each wanted language and of the best other one, and the share of letters in their script.

        Nothing where any language is wanted.
        """
        if self._detector is None:
            return {}
        ranked = {code: float(share) for code, share in self._detector.rank(text)}
        other = max(share for code, share in ranked.items() if code not in self.wanted)
        own = {f"language_{code}": round(ranked[code], 4) for code in self.wanted}
        return {**own, OTHER: round(other, 4), SCRIPT: round(script_share(text, self._scripts), 4)}


def scripts_of(languages: Sequence[str]) -> frozenset[str]:
    """The scripts that languages are written in."""
    listed = {script for script, codes in SCRIPTS.items() if set(languages) & set(codes.split())}
    elsewhere = set(" ".join(SCRIPTS.values()).split())
    return frozenset(listed | ({"LATIN"} if set(languages) - elsewhere else set()))


def script_share(text: str, scripts: frozenset[str]) -> float:
    """Share of a text's letters that are in some scripts; 1 where it has no letters."""
    letters = [script_of(character) for character in text if character.isalpha()]
    return sum(script in scripts for script in letters) / len(letters) if letters else 1.0


@functools.lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """LATIN, CYRILLIC, CJK, ...: the first word of the letter's Unicode name."""
    name = unicodedata.name(unicodedata.normalize("NFKC", letter)[0], "")
    return name.partition(" ")[0]


def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
