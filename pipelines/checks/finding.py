"""What a check found: one item, whether it is there, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from platen.core.errors import PlatenError, UserError

State = Literal["ok", "missing", "not checked"]


@dataclass(frozen=True)
class Finding:
    """One item.

    Attributes:
        item: What was looked at, with its name.
        state: `not checked` where this account must not look, or only the run itself can tell.
        words: What is wrong, or why it was not checked.
        fix: A command or a setting, for what is missing.
        user: Whether what is wrong lies in what the user gave (exit code 2), or in the cluster (1).
        fatal: Whether a run would surely fail of it: preflight refuses that, and only warns of the rest.
    """

    item: str
    state: State
    words: str = ""
    fix: str = ""
    user: bool = True
    fatal: bool = True

    def __str__(self) -> str:
        """As in a list of faults."""
        return ": ".join(filter(None, [self.item, self.words])) + (f". Fix: {self.fix}" if self.fix else "")


def ok(item: str, words: str = "") -> Finding:
    """Build a finding of what is as it should be."""
    return Finding(item, "ok", words)


def missing(item: str, words: str, fix: str, *, user: bool = True, fatal: bool = True) -> Finding:
    """Build a finding of what is missing, or wrong."""
    return Finding(item, "missing", words.rstrip("."), fix, user, fatal)


def not_checked(item: str, why: str) -> Finding:
    """Build a finding of what could not be looked at."""
    return Finding(item, "not checked", why)


def from_error(item: str, error: PlatenError, fix: str = "") -> Finding:
    """Build a finding from an error, whose words say what to do as well."""
    return missing(item, str(error), fix, user=isinstance(error, UserError))
