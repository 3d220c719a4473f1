"""Web addresses, e-mail addresses and phone numbers out of a text, with the words that only led to them."""

from __future__ import annotations

import re
from typing import Literal

Mode = Literal["remove", "mark"]

HOLE = "\ue000"  # stands where something was taken out; of private use, so no cleaned text has it
URL = re.compile(
    r"(?<![\w@.-])(?:(?:https?|ftp)://[^\s<>\"“”]+|www\.[^\s<>\"“”]+"
    r"|(?:[\w-]+\.)+(?:com|org|net|info|biz|co\.uk)(?![\w@-]|\.\w)(?:/[^\s<>\"“”]*)?)",
    re.IGNORECASE,
)
EMAIL = re.compile(r"(?<![\w.+%-])(?:mailto:)?[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?![\w@])", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\w.,+/-])\+?\(?\d(?:[ ().\-/–]{0,3}\d){6,16}(?![\w/]|[.,-]\d)")
CALLED = re.compile(r"\b(?:call|phone|telephone|tel|mobile|cell|fax|whatsapp)[\s.:]*$", re.IGNORECASE)
GROUPED = re.compile(r"\(?\d{3}\)?[-. ]{1,2}\d{3}[-. ]\d{4}")
AREA_CODE = re.compile(r"\(0?\d{2,5}\)")
AFTER_URL = ".,;:!?)]}'’»"  # punctuation of the sentence, not of the address

# "..., contact us at" would lead to nothing once the address behind it is gone.
LEAD_WORDS = """
please contact reach write email e-mail mail call phone telephone tel mobile cell fax whatsapp
visit website web url link source credit courtesy via see more info order buy
us me and or at to from on by
"""
LEADS = frozenset(LEAD_WORDS.split())
OPENING, CLOSING = "([{<«", ")]}>»"
JOINTS = " ,;:|-–—/·•" + OPENING
STOPS = " .,;:!?|-–—/·•"
SPACE_BEFORE_STOP = re.compile(r" +(?=[,.;:!?](?: |$))")


def without_urls(text: str, mode: Mode = "remove") -> str:
    """The text without web addresses: with a scheme, with www., or under a common domain."""
    return _fill(URL.sub(lambda found: HOLE + _sentence_end(found[0]), text), "[url]", mode)


def without_emails(text: str, mode: Mode = "remove") -> str:
    """The text without e-mail addresses."""
    return _fill(EMAIL.sub(HOLE, text), "[email]", mode)


def without_phones(text: str, mode: Mode = "remove") -> str:
    """The text without phone numbers; other numbers (years, sizes, prices) stay."""
    return _fill(NUMBER.sub(lambda found: HOLE if _is_phone(found) else found[0], text), "[phone]", mode)


def _is_phone(found: re.Match[str]) -> bool:
    """Whether a number is written as phone numbers are; 15 digits at most, ITU-T E.164."""
    number = found[0]
    digits = re.sub(r"\D", "", number)
    if not 7 <= len(digits) <= 15:
        return False
    if number.startswith(("+", "00")) or AREA_CODE.search(number) or GROUPED.fullmatch(number):
        return True
    if number.startswith("0") and len(digits) >= 9:
        return any(mark in number for mark in " /-")
    return CALLED.search(found.string[max(found.start() - 20, 0) : found.start()]) is not None


def _sentence_end(url: str) -> str:
    return url[len(url.rstrip(AFTER_URL)) :]


def _fill(text: str, mark: str, mode: Mode) -> str:
    """Close the holes, or put a mark into each."""
    if HOLE not in text:
        return text
    if mode == "mark":
        return text.replace(HOLE, mark)
    whole, *pieces = text.split(HOLE)
    for piece in pieces:
        whole = _close(whole, piece)
    return SPACE_BEFORE_STOP.sub("", whole).strip()


def _close(before: str, after: str) -> str:
    """Join what stood around a hole, without what led to it."""
    kept = _without_leads(before)
    opened = sum(before[len(kept) :].count(bracket) for bracket in OPENING)
    while opened and after[:1] and after[0] in CLOSING:
        after, opened = after[1:], opened - 1
    if not kept or kept[-1] in STOPS:
        after = after.lstrip(STOPS)
    elif not after.strip(STOPS):
        after = after.strip(" ,;:|-–—/·•")
    return f"{kept} {after.lstrip()}".strip()


def _without_leads(text: str) -> str:
    while True:
        text = text.rstrip(JOINTS)
        head, _, word = text.rpartition(" ")
        if word.lower().strip(".:,(") not in LEADS:
            return text
        text = head
