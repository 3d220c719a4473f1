"""Captions beside pictures, and which of several counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.ingest.captions import decode, with_caption
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.sources import Source, list_sources


def only(folder: Path) -> Source:
    [source] = list_sources(IngestSettings(folder=str(folder)))
    return with_caption(source)


@given(st.binary())
def test_any_bytes_are_text(data: bytes) -> None:
    decode(data).encode()


@given(st.text().filter(lambda text: not text.startswith("\ufeff")))
def test_utf8_and_utf16_come_back(text: str) -> None:
    assert decode(text.encode()) == text
    assert decode(b"\xef\xbb\xbf" + text.encode()) == text
    assert decode(b"\xff\xfe" + text.encode("utf-16-le")) == text


def test_windows_text_is_read_as_such() -> None:
    assert decode("un café – à Paris".encode("cp1252")) == "un café – à Paris"


@pytest.mark.parametrize(
    ("files", "caption", "licence"),
    [
        ({}, None, None),
        ({"a.txt": "from txt"}, "from txt", None),
        ({"a.txt": ""}, "", None),
        ({"a.json": '{"caption": "from json", "license": "CC0"}'}, "from json", "CC0"),
        ({"a.txt": "from txt", "a.json": '{"caption": "from json", "licence": "CC0"}'}, "from txt", "CC0"),
        ({"metadata.jsonl": '{"file_name": "a.png", "text": "from table"}', "a.txt": "from txt"}, "from table", None),
        ({"metadata.csv": "file_name,licence\na.png,CC-BY\n", "a.txt": "from txt"}, "from txt", "CC-BY"),
        ({"a.json": "not json"}, None, None),
        ({"a.json": "[" * 100_000}, None, None),
        ({"a.json": '{"caption": 7}'}, None, None),
        ({"b.txt": "of another picture"}, None, None),
    ],
)
def test_the_caption_of_a_picture(
    tmp_path: Path, files: dict[str, str], caption: str | None, licence: str | None
) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    source = only(tmp_path)
    assert (source.caption, source.licence) == (caption, licence)


def test_a_caption_file_that_links_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"x")
    (tmp_path / "in" / "a.txt").symlink_to(tmp_path / "secret")
    assert only(tmp_path / "in").caption is None
