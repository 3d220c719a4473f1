"""What a robots.txt says to one crawler, as RFC 9309 reads it.

The patterns come from strangers. So they are matched from left to right without going back, and not as regular
expressions; and whatever bytes there are, they are read as some rules.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

NO_TOKEN = re.compile(r"[^A-Za-z_-]")  # 2.2.1
LINE_END = re.compile(r"\r\n|\r|\n")
TRIPLET = re.compile(r"%[0-9A-Fa-f]{2}")
UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")  # RFC 3986, 2.3
AS_WRITTEN = "".join(set(string.punctuation) - set("*$"))  # these two mean something in a pattern
ALWAYS_ALLOWED = "/robots.txt"  # 2.2.2


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: whether it allows, and its normalised pattern, in which `*` and a `$` at the end are special."""

    allow: bool
    pattern: str


Rules = tuple[Rule, ...]


def read_rules(data: bytes, user_agent: str) -> Rules:
    """The rules for one crawler: the longest pattern first, and of two as long the one that allows (2.2.2).

    They are those of all groups that name its product token; where none does, those of all groups for `*`.
    """
    ours = product_token(user_agent)
    groups: dict[str, list[Rule]] = {}
    addressed: set[str] = set()
    ruled = False  # a rule ends the list of those whom a group addresses; lines that are neither do not (2.2.4)
    for field, value in _records(data.decode("utf-8-sig", errors="replace")):
        if field == "user-agent":
            addressed = set() if ruled else addressed
            ruled = False
            token = value if value == "*" else product_token(value)
            if token and token in ("*", ours):
                addressed.add(token)
                groups.setdefault(token, [])
        elif field in ("allow", "disallow"):
            ruled = True
            for token in addressed if value else ():
                groups[token].append(Rule(field == "allow", _pattern(value)))
    found = groups.get(ours, groups.get("*", []))
    return tuple(sorted(found, key=lambda rule: (-len(rule.pattern), not rule.allow)))


def allows(rules: Rules, target: str) -> bool:
    """Whether a path, with its query, may be asked for: the longest pattern that matches decides, and none allows."""
    path = _normal(target, AS_WRITTEN)
    return path == ALWAYS_ALLOWED or next((rule.allow for rule in rules if matches(rule.pattern, path)), True)


def product_token(name: str) -> str:
    """What groups go by: the letters, hyphens and underscores that a user agent begins with, in small letters."""
    return NO_TOKEN.split(name, maxsplit=1)[0].lower()


def matches(pattern: str, path: str) -> bool:
    """Whether a normalised pattern matches a normalised path from its beginning (2.2.3).

    Each piece between two stars is taken where it first occurs: if any place will do, that one does.
    """
    to_the_end = pattern.endswith("$")
    first, *pieces = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    if not pieces:
        return not to_the_end or path == first
    at = len(first)
    last = pieces.pop()
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return path.endswith(last, at) if to_the_end else path.find(last, at) >= 0


def _records(text: str) -> Iterator[tuple[str, str]]:
    """Names in small letters, and values; comments are left out."""
    for line in LINE_END.split(text):
        field, _, value = line.partition("#")[0].partition(":")
        yield field.strip().lower(), value.strip()


def _pattern(value: str) -> str:
    body = value.removesuffix("$")
    return _normal(body, AS_WRITTEN + "*") + value[len(body) :]


def _normal(path: str, as_written: str) -> str:
    """One way to write a path: unreserved characters bare, reserved ones as they are, others as octets, %XX."""
    return quote(TRIPLET.sub(_triplet, path), safe=as_written)


def _triplet(found: re.Match[str]) -> str:
    bare = chr(int(found.group()[1:], 16))
    return bare if bare in UNRESERVED else found.group().upper()
