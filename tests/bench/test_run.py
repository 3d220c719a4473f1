"""What `make bench` makes of its rows and of the document."""

from __future__ import annotations

import contextlib
import io

import pytest

from bench.rows import Row, Table, read_rows
from bench.run import COMMAND, DOCUMENT, markdown, marks, replaced

BEGIN, END = marks(COMMAND)
ROW = Row("speed", 1.234567, ">= 1.4", {"steps": 12.0}, "by hand", Table(["a", "b"], [["1", "2"]]))


def test_only_what_is_between_the_marks_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = replaced(document, "new")
    assert once == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert replaced(once, "new") == once


@pytest.mark.parametrize("document", ["", BEGIN, END, f"{END} {BEGIN}"], ids=["none", "no end", "no begin", "turned"])
def test_document_without_both_marks_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="lacks"):
        replaced(document, "new")


def test_repositorys_document_has_the_marks() -> None:
    assert "new" in replaced(DOCUMENT.read_text(encoding="utf-8"), "new")


def test_rows_are_found_among_other_lines() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        printed.write("something else\n")
        ROW.tell()
    assert read_rows(printed.getvalue()) == [ROW]


@pytest.mark.parametrize(("bar", "met"), [(">= 1.4", False), ("<= 1.4", True), ("< 1.234567", False), ("", None)])
def test_bar(bar: str, met: bool | None) -> None:
    assert Row("speed", 1.234567, bar, {}, "").met is met


def test_table_says_figure_bar_and_parts() -> None:
    found = markdown([ROW])
    assert "| speed | 1.23 | >= 1.4 | no |" in found
    assert "**Speed.** Steps 12. By hand.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |" in found


def test_what_could_not_be_measured_is_said() -> None:
    row = Row("speed", None, ">= 1.4", {}, "no GPU")
    assert row.met is None
    assert "| speed | not measured | >= 1.4 |  |" in markdown([row])
