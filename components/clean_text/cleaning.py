"""The rules that repair a caption, in their order."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from platen.components.clean_text.characters import single_spaces, without_control_characters
from platen.components.clean_text.markup import without_markup
from platen.components.clean_text.redaction import Mode, without_emails, without_phones, without_urls

PASSES = 12


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A caption as it is kept, and what was repaired in it: html, control_characters, url, email, phone."""

    text: str
    repaired: frozenset[str]


def rules(mode: Mode) -> tuple[tuple[str, Callable[[str], str]], ...]:
    """Name and rule, in the order they are applied; a rule without a name repairs nothing that counts."""
    return (
        ("", compose),
        ("html", without_markup),
        ("control_characters", without_control_characters),
        ("", single_spaces),
        ("url", partial(without_urls, mode=mode)),
        ("email", partial(without_emails, mode=mode)),
        ("phone", partial(without_phones, mode=mode)),
        ("", single_spaces),
    )


def clean(text: str, mode: Mode = "remove") -> Cleaned:
    """Apply the rules until none finds anything: what one takes away may uncover work for another.

    Cleaning a cleaned text changes nothing. A text that is still not settled after PASSES is built to be so, and
    nothing is left of it.
    """
    repaired: set[str] = set()
    for _ in range(PASSES):
        before = text
        for name, rule in rules(mode):
            after = rule(text)
            repaired.update({name} if after != text else ())
            text = after
        if text == before:
            return Cleaned(text, frozenset(repaired - {""}))
    return Cleaned("", frozenset(repaired - {""}))


def compose(text: str) -> str:
    """Unicode normal form C: letters with their accents as one character each."""
    return unicodedata.normalize("NFC", text)
