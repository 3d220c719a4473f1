"""Characters that nobody sees, and white space."""

from __future__ import annotations

import re
import unicodedata

WHITESPACE = re.compile(r"\s+")
BLANK = "\t\n\v\f\r\x85\u2028\u2029"  # line ends and tabs: white space, nothing to repair
# Zero-width joiners hold emoji and the letters of many scripts together; between Latin letters they do nothing.
JOINERS = "\u200c\u200d"
UNSEEN = {"Cc", "Cf", "Cs", "Co"}  # control, format, lone surrogate, private use
NONCHARACTERS = range(0xFDD0, 0xFDF0)


def without_control_characters(text: str) -> str:
    """The text without characters that are not seen; those that separate become a space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_seen(text, place) for place in range(len(text)))


def single_spaces(text: str) -> str:
    """White space of any kind and length to one space, none at the ends."""
    return WHITESPACE.sub(" ", text).strip()


def _seen(text: str, place: int) -> str:
    character = text[place]
    if character in BLANK or not _is_unseen(character):
        return character
    if character in JOINERS:
        return character if _joins(text, place) else ""
    return " " if character.isspace() else ""


def _is_unseen(character: str) -> bool:
    point = ord(character)
    return unicodedata.category(character) in UNSEEN or point in NONCHARACTERS or point & 0xFFFE == 0xFFFE


def _joins(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return len(around) == 2 and not any(one.isascii() or one in JOINERS for one in around)
