"""One finding, in words and by whose fault it is."""

from __future__ import annotations

import pytest

from platen.core.errors import ClusterError, CorruptError, PlatenError, SettingsError, StorageError
from platen.pipelines.checks.finding import Finding, from_error, missing, not_checked, ok


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (ok("queue"), "queue"),
        (ok("queue", "platen"), "queue: platen"),
        (missing("queue", "there is none.", "make one"), "queue: there is none. Fix: make one"),
        (missing("queue", "", "make one"), "queue. Fix: make one"),
        (not_checked("queue", "no right to look"), "queue: no right to look"),
    ],
    ids=["bare", "with_words", "missing", "no_words", "not_checked"],
)
def test_it_reads_as_one_line(finding: Finding, words: str) -> None:
    assert str(finding) == words


@pytest.mark.parametrize(
    ("error", "user"),
    [
        (SettingsError("a.b", "is 1", "2"), True),
        (CorruptError("cut"), True),
        (StorageError("away"), False),
        (ClusterError("refused"), False),
    ],
)
def test_an_error_is_a_finding_of_whom_it_ends_with(error: PlatenError, user: bool) -> None:
    found = from_error("item", error, "fix it")
    assert (found.state, found.user, found.fatal, found.fix) == ("missing", user, True, "fix it")
    assert str(error).rstrip(".") in str(found)
    assert found.user is (error.exit_code == 2)
