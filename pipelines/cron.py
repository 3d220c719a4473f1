"""Times of recurring runs: cron expressions, checked before they are sent.

Kubeflow Pipelines reads six fields, seconds first, and takes five for the first five of them: `0 3 * * 1`, every Monday
at three to everyone else, is then three minutes past every hour in January.
"""

from __future__ import annotations

import re
from itertools import pairwise

from platen.core.errors import InputError

DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ACCEPTED = 'five fields (minute hour day month weekday, as "0 3 * * 1"), six with seconds first, or ' + ", ".join(
    DESCRIPTORS
)
ITEM = re.compile(r"(?:\*|\?|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 6, DAYS),
)


def six_fields(expression: str) -> str:
    """The expression as Kubeflow Pipelines reads it. Raises InputError that names the field."""
    if expression.strip() in DESCRIPTORS:
        return expression.strip()
    fields = expression.split()
    if len(fields) not in (5, 6):
        raise InputError(f"--recurring {expression!r}: {len(fields)} fields. Accepted: {ACCEPTED}")
    six = fields if len(fields) == 6 else ["0", *fields]
    for text, (name, least, most, words) in zip(six, FIELDS, strict=True):
        for item in text.lower().split(","):
            if not _fits(item, least, most, words):
                known = f"{least} to {most}" + (f", {words[0]} to {words[-1]}" if words else "")
                raise InputError(
                    f"--recurring {expression!r}: {name} {text!r}. Accepted: *, {known}, as 1,3 or 1-5 or */2"
                )
    return " ".join(six)


def _fits(item: str, least: int, most: int, words: tuple[str, ...]) -> bool:
    found = ITEM.fullmatch(item)
    if found is None or found[3] == "0":
        return False
    ends = [_number(end, least, words) for end in found.groups()[:2] if end is not None]
    return all(least <= end <= most for end in ends) and all(first <= last for first, last in pairwise(ends))


def _number(text: str, least: int, words: tuple[str, ...]) -> int:
    if text in words:
        return words.index(text) + least
    return int(text) if text.isdigit() else -1
