from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from platen.components.notify.evidence import Evidence, gather
from platen.components.notify.report.page import PARTS, render
from platen.components.notify.summary import Summary, summarise
from platen.core.errors import InputError
from platen.core.stage import Folder
from tests.components.notify.a_run import run_chain

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Outline(HTMLParser):
    """Elements and attributes of a page; unclosed or crossed elements are faults."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def page(summary: Summary, evidence: Evidence) -> str:
    return render(summary, evidence)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_every_part_is_there(page: str, outline: Outline) -> None:
    shown = [attributes["id"] for tag, attributes in outline.tags if tag == "section" and "id" in attributes]
    assert shown == [name for name in PARTS if name != "retraining"]
    assert "Not in this report" not in page
    assert outline.faults == [] and outline.open == []


def test_page_needs_nothing_beside_it(page: str, outline: Outline) -> None:
    named = [value or "" for _, at in outline.tags for name, value in at.items() if name in ("src", "href", "srcset")]
    assert len(named) > 100
    assert all(value.startswith(("data:image/", "#")) for value in named)
    assert "url(" not in page and "@import" not in page
    assert len(page.encode()) < 3_000_000


def test_hostile_text_stays_text(outline: Outline) -> None:
    tags = {tag for tag, _ in outline.tags}
    assert not tags & {"script", "iframe", "object", "embed", "form"}
    assert not [name for _, at in outline.tags for name in at if name.startswith("on")]
    assert outline.words.count("<script>alert(1)</script>") >= 10


def test_every_picture_says_what_it_shows(outline: Outline) -> None:
    assert all(at.get("alt") for tag, at in outline.tags if tag == "img")
    drawings = [at for tag, at in outline.tags if tag == "svg"]
    assert len(drawings) > 20
    assert all(at.get("role") == "img" and at.get("aria-label") for at in drawings)


def test_figures_are_the_ones_of_the_run(outline: Outline) -> None:
    words = re.sub(r"\s+", " ", outline.words)
    assert "The run succeeded: the model was promoted" in words
    assert "Exactly those that were planted, reason by reason" in words
    assert "spread 2,062,407 parameters over 2 ranks, which hold 1,031,204 and 1,031,203" in words
    assert "0.86 (low end of its interval) is within the limit 0.8" in words
    assert "insufficient data: 3 of at least 20" in words


def test_misses_are_marked(outline: Outline) -> None:
    missed = [at["alt"] or "" for tag, at in outline.tags if tag == "img" and at.get("class") == "missed"]
    assert len(missed) == 3
    assert all("taken for another prompt" in alt for alt in missed)


def test_failed_run_says_so_on_top(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, "merge", InputError("/data: <b>no picture</b> survives cleaning"))
    evidence = gather(run, workspace)
    words = Outline(render(summarise(evidence, {}, "FAILED", "", "report.html"), evidence)).words
    assert words.index("The run failed in merge") < words.index("Lineage")
    assert "/data: <b>no picture</b> survives cleaning" in words
    assert "InputError, exit code 2" in words
    assert "train left no output in this run" in words


def test_refused_model_shows_the_rule_it_failed(tmp_path: Path) -> None:
    _, workspace, run = run_chain(tmp_path, settings={"gate": {"verdict": "reject"}})
    evidence = gather(run, workspace)
    words = Outline(render(summarise(evidence, {}, "FAILED", "", "report.html"), evidence)).words
    assert "The run failed in gate" in words
    assert "✗ failed" in words and "beyond the limit 0.99" in words


def test_run_that_left_nothing_still_has_a_page(tmp_path: Path) -> None:
    evidence = gather(str(tmp_path / "none"), str(tmp_path))
    words = Outline(render(summarise(evidence, {}, "FAILED", "no pod", "report.html"), evidence)).words
    assert "The run failed" in words and "killed" in words
    assert "no stage left a record" in words


def test_part_of_another_shape_is_left_out_and_the_others_stay(
    tmp_path: Path, summary: Summary, evidence: Evidence
) -> None:
    folder = evidence.folders["evaluate"]
    (tmp_path / "report.json").write_text('{"fid": 3, "bias": {"colour": {"values": [{}]}}}')
    folders = {**evidence.folders, "evaluate": Folder(str(tmp_path), folder.manifest)}
    outline = Outline(render(summary, Evidence(evidence.run, evidence.records, folders, ())))
    assert outline.words.count(f"{tmp_path}/report.json: model: Field required") == 2
    shown = [at.get("id") for tag, at in outline.tags if tag == "section"]
    assert {"data", "training", "gate", "lineage"} <= set(shown)
    assert not {"evaluation", "bias"} & set(shown)


def test_counts_that_differ_from_the_planted_are_marked(summary: Summary, evidence: Evidence) -> None:
    planted = {**(summary.planted or {}), "too_small": 3, "never_seen": 1}
    words = Outline(render(summary.model_copy(update={"planted": planted}), evidence)).words
    assert "Not the ones that were planted" in words
    assert words.count("✗") == 3


def test_retraining_shows_why_and_that_nothing_new_was_trained(tmp_path: Path) -> None:
    for _ in range(2):
        _, workspace, run = run_chain(tmp_path, watched="retrain")
    evidence = gather(run, workspace)
    page = render(summarise(evidence, {}, "SUCCEEDED", "", "report.html"), evidence)
    assert "Not in this report" not in page
    part = page[page.index('<section id="retraining">') : page.index('<section id="data">')]
    assert "drift 0.41 is above 0.2" in part and "Nothing was retrained" in part
    assert "monitor_live:" not in page[page.index('<section id="reproduce">') :]  # no section of the settings
