"""Tables of pictures: the same rows from every format, and a clear word where there are none."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platen.components.ingest.tables import Entry, read_entries
from platen.core.errors import InputError

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40)
filled = texts.filter(lambda text: text != "")
rows = st.lists(st.tuples(filled, st.none() | filled, st.none() | filled), max_size=8)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(path: Path) -> list[tuple[str | None, str | None, str | None]]:
    return [(entry.url, entry.caption, entry.licence) for entry in read_entries(path)]


@quick
@given(rows)
def test_csv_gives_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str | None, str | None]]) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("url", "caption", "licence"), *rows])
    assert told(path) == rows


@quick
@given(st.lists(st.tuples(filled, st.none() | st.text(st.characters(exclude_categories=["Cs"])), st.none() | texts)))
def test_jsonl_gives_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str | None, str | None]]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(dict(zip(("url", "text", "license"), row, strict=True))) + "\n" for row in rows))
    assert told(path) == rows


@quick
@given(rows)
def test_parquet_gives_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str | None, str | None]]) -> None:
    path = tmp_path / "t.parquet"
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(3)]
    extra = pa.array(range(len(rows)))
    pq.write_table(pa.table([*columns, extra], ["url", "caption", "licence", "similarity"]), path)
    assert told(path) == rows


@quick
@given(st.binary(max_size=200), st.sampled_from([".csv", ".jsonl", ".parquet"]))
def test_any_bytes_are_rows_or_an_input_error(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(data)
    try:
        assert all(entry.path or entry.url for entry in read_entries(path))
    except InputError as error:
        assert str(path) in str(error)


def test_column_names_of_imagefolder_are_known(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text("﻿File_Name, text ,split\na.png,a dog,train\nb.png,,test\n", encoding="utf-8")
    assert list(read_entries(path)) == [
        Entry(f"{path}, line 2", path="a.png", caption="a dog"),
        Entry(f"{path}, line 3", path="b.png"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("no_columns.csv", "name,words\na,b\n", "line 2: names no image; its columns are name, words"),
        ("too_many_cells.csv", "url,caption\nhttp://a,b,c\n", "line 2: more cells than the 2 columns"),
        ("open_quote.csv", 'url,caption\n"http://a,b\n', "not CSV"),
        ("not_json.jsonl", '{"url": "http://a"}\n{"url": \n', "line 2: not JSON"),
        ("a_list.jsonl", "[1, 2]\n", "line 1: a list. Accepted: an object"),
        ("caption_is_a_number.jsonl", '{"url": "http://a", "caption": 5}\n', "line 1: caption is 5, not text"),
        ("latin1.csv", b"url,caption\nhttp://a,caf\xe9\n", "not UTF-8 text"),
        ("no_parquet.parquet", "PAR1", "not a complete Parquet file"),
        ("unknown.xlsx", "x", r"Accepted: \.csv, \.jsonl or \.parquet"),
    ],
)
def test_faulty_tables_are_named_with_the_row(tmp_path: Path, name: str, content: str | bytes, problem: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=problem) as error:
        list(read_entries(path))
    assert name in str(error.value)


def test_halves_of_characters_in_texts_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(r'{"url": "http://a", "caption": "a cat \ud83d", "licence": "\udc00"}')
    assert told(path) == [("http://a", "a cat \ufffd", "\ufffd")]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such table"):
        list(read_entries(tmp_path / "none.csv"))
