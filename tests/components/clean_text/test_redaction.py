"""Addresses out of captions, and nothing else."""

from __future__ import annotations

import pytest

from platen.components.clean_text.redaction import without_emails, without_phones, without_urls

CIRCLE = "a red circle on a white background"


@pytest.mark.parametrize(
    "text",
    [
        f"{CIRCLE} anna.berg@example.org",
        f"{CIRCLE}, contact me@example.org",
        f"{CIRCLE} (write to me at me+shop@example.co.uk)",
        f"{CIRCLE} - e-mail: me@example.org",
        f"me@example.org {CIRCLE}",
        f"mailto:me@example.org: {CIRCLE}",
        f"{CIRCLE}, me@example.org or you@example.org",
    ],
)
def test_emails(text: str) -> None:
    assert without_emails(text) == CIRCLE


@pytest.mark.parametrize(
    "text",
    [
        f"{CIRCLE} https://example.org/pictures/17?size=large",
        f"{CIRCLE} www.example.com/shop",
        f"{CIRCLE}, see more at http://example.org",
        f"{CIRCLE} via example.com",
        f"{CIRCLE} (source: https://example.org/a)",
        f"https://user@example.org/ {CIRCLE}",
    ],
)
def test_urls(text: str) -> None:
    assert without_urls(text) == CIRCLE


@pytest.mark.parametrize(
    "text",
    [
        f"{CIRCLE} +49 30 90182 4455",
        f"{CIRCLE} (202) 555-0143",
        f"{CIRCLE}, call 202-555-0143",
        f"{CIRCLE} tel. 030/123 456 78",
        f"{CIRCLE}; phone: 5550143",
        f"{CIRCLE} 0049 30 901824455",
    ],
)
def test_phones(text: str) -> None:
    assert without_phones(text) == CIRCLE


@pytest.mark.parametrize(
    "text",
    [
        "a poster of 2020-01-15 at 12:30",
        "1,000,000 dollars in 1920x1080",
        "the years 1914-1918 and 1939-1945",
        "a pile of 1000000 coins",
        "0.123456789 of a litre",
        "bottle of 3.14159265 units",
        "@anna at the lake",
        "a to me by the see",
        "item 12345678 on a shelf",
    ],
)
def test_what_is_no_address_stays(text: str) -> None:
    assert without_phones(without_emails(without_urls(text))) == text


def test_the_sentence_goes_on_behind_the_hole() -> None:
    assert without_emails("A red car, by anna@example.org, in Rome.") == "A red car, in Rome."
    assert without_urls("A dog (www.example.com) in the park") == "A dog in the park"
    assert without_urls("A dog. Buy at www.example.com. A cat.") == "A dog. A cat."


def test_marks_in_the_place_of_what_was_taken() -> None:
    assert without_emails("a dog, me@example.org", "mark") == "a dog, [email]"
    assert without_urls("a dog (www.example.com).", "mark") == "a dog ([url])."
    assert without_phones("call +49 30 90182 4455 now", "mark") == "call [phone] now"
