"""Artifacts that the user interface renders, seen through a Markdown renderer."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kfp import dsl
from markdown_it import MarkdownIt

from platen.core.errors import CorruptError
from platen.core.stage import run_stage
from platen.core.ui import LONGEST, MOST_ROWS, escape, read_object, render_drops, show_markdown, show_metrics, table
from tests.platen.small_stages import WordSettings, word_stage

HOSTILE = [
    "<script>alert(1)</script>",
    "a | b",
    "ends with a backslash \\",
    "\\| ends the cell",
    "[click](javascript:alert(1))",
    "![](https://example.com/x.png)",
    "<https://example.com>",
    "*bold* _too_ ~~gone~~ `code` ==marked==",
    "&lt;b&gt; &amp; &#60;",
    "# no heading",
    "---",
]


class Rendered(HTMLParser):
    """The cells of the tables of a page, and every element that is there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data


TABLE = {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_comes_from_data_stands_for_itself(text: str) -> None:
    seen = Rendered(table(("Caption", "Samples"), [(text, 1200), ("plain", 3)]))
    assert seen.rows == [["Caption", "Samples"], [text, "1,200"], ["plain", "3"]]
    assert seen.tags == TABLE


@given(st.text(max_size=LONGEST))
def test_any_text_stands_for_itself(text: str) -> None:
    seen = Rendered(table(("Caption",), [(text,), ("last",)]))
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    assert [row[0].strip() for row in seen.rows] == ["Caption", line.strip(), "last"]
    assert seen.tags == TABLE


def test_addresses_are_no_links() -> None:
    assert "https://" not in escape("see https://example.com/") and "www." not in escape("www.example.com")


def test_texts_and_tables_have_an_end() -> None:
    assert len(escape("a" * 5000)) == LONGEST and escape("a" * 5000).endswith("…")
    lines = table(("Word", "Times"), [(f"w{number}", number) for number in range(MOST_ROWS + 5)]).splitlines()
    assert len(lines) == 2 + MOST_ROWS + 1
    assert lines[-1] == "| and 5 more |  |"


def test_half_characters_and_controls_are_left_out() -> None:
    assert escape("a\ud800b\x00c\u202ed").encode() == b"abcd"


def test_a_drop_report_counts_what_came_in(tmp_path: Path) -> None:
    result = run_stage(word_stage(), WordSettings(), {}, str(tmp_path))
    counts = {"samples": 10, "repaired_html": 4, "shards": 2}
    manifest = result.folder.manifest.model_copy(update={"counts": counts, "licences": {"CC0-1.0": 10}})
    seen = Rendered(render_drops(manifest))
    assert seen.rows[:4] == [["", "Samples"], ["in", "13"], ["dropped", "3"], ["out", "10"]]
    assert seen.rows[4:7] == [["Reason", "Samples"], ["a", "2"], ["b", "1"]]
    assert seen.rows[7:] == [["Repaired", "Samples"], ["html", "4"], ["License", "Samples"], ["CC0-1.0", "10"]]
    whole = render_drops(manifest.model_copy(update={"dropped": {}}))
    assert "Nothing was dropped." in whole


def test_metrics_are_finite_numbers_only(tmp_path: Path) -> None:
    metrics = dsl.Metrics(uri=str(tmp_path / "metrics"))
    values = {"loss": 0.5, "steps": 3, "mfu": None, "nan": math.nan, "infinite": math.inf, "flag": True, "text": "1"}
    show_metrics(metrics, lambda: values)
    assert metrics.metadata == {"loss": 0.5, "steps": 3}


def test_metrics_that_cannot_be_read_fail_nothing(tmp_path: Path) -> None:
    folder = run_stage(word_stage(), WordSettings(), {}, str(tmp_path)).folder
    metrics = dsl.Metrics(uri=str(tmp_path / "metrics"))
    show_metrics(metrics, lambda: read_object(folder, "report.json"))
    assert metrics.metadata == {}


def test_a_page_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    def fail() -> str:
        raise CorruptError("ws/merge/1/card.json: no such file")

    page = dsl.Markdown(uri=str(tmp_path / "deep" / "page"))
    show_markdown(page, fail)
    assert "could not be created: CorruptError: ws/merge/1/card.json: no such file" in Path(
        page.path
    ).read_text().replace("\\", "")
    show_markdown(dsl.Markdown(uri=str(tmp_path)), lambda: "a folder is in the place of the file")
