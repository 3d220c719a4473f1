"""The data card."""

from __future__ import annotations

import pytest

from platen.artifacts.dataset import Drop, Row, Sample, write_shard
from platen.components.merge.card import (
    CARD,
    drop_report,
    make_card,
    most_frequent,
    quantiles,
    render_card,
    scheme_of,
)
from platen.core.manifest import canonical
from platen.core.settings import Settings
from platen.core.stage import Outcome, Stage, run_stage


def test_card_of_a_folder(tmp_path) -> None:
    rows = [
        Row("1", "a red circle", "png", source="a.png", licence="CC0-1.0", split="train"),
        Row("2", "a red dog's house", "png", source="https://example.org/a", split="test"),
    ]
    write_shard(tmp_path, "00000", [Sample(row, b"") for row in rows], [Drop("3", "too_small", "8 × 8", "b.png", "c")])
    card = make_card(tmp_path, 64)
    assert card["splits"] == {"train": 1, "validation": 0, "test": 1}
    assert card["licences"] == {"CC0-1.0": 1, "unknown": 1}
    assert card["sources"] == {"file": 1, "https": 1}
    assert card["frequent_words"][:2] == [{"word": "a", "count": 2}, {"word": "red", "count": 2}]
    assert card["caption_words"]["most"] == 4
    assert card["dropped"] == {
        "too_small": {"count": 1, "examples": [{"key": "3", "source": "b.png", "caption": "c", "detail": "8 × 8"}]}
    }


def test_quantiles() -> None:
    assert quantiles({}) == {}
    assert quantiles({3: 1})["least"] == quantiles({3: 1})["most"] == 3
    hundred = quantiles(dict.fromkeys(range(1, 102), 1))
    assert (hundred["least"], hundred["p10"], hundred["median"], hundred["p90"], hundred["most"]) == (
        1,
        11,
        51,
        91,
        101,
    )


def test_no_more_examples_than_eight() -> None:
    report = drop_report(Drop(str(number), "too_small", caption="word " * 500) for number in range(20))
    assert report["too_small"]["count"] == 20
    assert [example["key"] for example in report["too_small"]["examples"]] == [str(number) for number in range(8)]
    assert len(report["too_small"]["examples"][0]["caption"]) == 500


def test_words_as_frequent_as_each_other_come_in_order() -> None:
    found = most_frequent({"pear": 2, "apple": 2, "fig": 3})
    assert [entry["word"] for entry in found] == ["fig", "apple", "pear"]
    assert len(most_frequent({str(number): 1 for number in range(80)})) == 50


@pytest.mark.parametrize(
    ("source", "scheme"),
    [("a/b.png", "file"), ("HTTPS://example.org/a", "https"), ("gs://bucket/a", "gs"), ("odd:name.png", "file")],
)
def test_schemes(source: str, scheme: str) -> None:
    assert scheme_of(Row("k", "c", source=source)) == scheme


def test_the_card_as_a_page(tmp_path) -> None:
    rows = [
        Row("1", "a red circle", "png", source="a.png", licence="CC0-1.0", split="train"),
        Row("2", "a red dog's house", "png", source="https://example.org/a", licence="<b>mine</b> | all", split="test"),
    ]
    drops = [Drop(str(number), "too_small", "8 × 8", "b.png", "*bold* <script>") for number in range(3, 9)]

    def work(settings, inputs, place):
        write_shard(place.out, "00000", [Sample(row, b"") for row in rows], drops)
        (place.out / CARD).write_bytes(canonical(make_card(place.out, 64)))
        return Outcome(counts={"samples": 2, "seen": 8, "shards": 1})

    page = render_card(
        run_stage(Stage("merge", 1, "dataset", Settings, {}, work), Settings(), {}, str(tmp_path)).folder
    )
    for line in (
        "| seen | 8 |",
        "| samples | 2 |",
        "| resolution | 64 |",
        "| train | 1 |\n| validation | 0 |\n| test | 1 |",
        "| &lt;b&gt;mine&lt;/b&gt; \\| all | 1 |",
        "| https | 1 |",
        "| least | 3 |\n| p10 | 3 |",
        "| red | 2 |",
        "| too\\_small | 6 |",
    ):
        assert line in page, page
    assert page.count("| too\\_small | \\*bold\\* &lt;script&gt; | 8 × 8 |") == 2
    assert "<" not in page
