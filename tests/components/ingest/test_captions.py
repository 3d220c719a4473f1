"""Captions beside pictures, and which of several counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.ingest.captions import CAPTION_BYTES, decode, with_caption
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
        ({"a.json": r'{"caption": "a cat \ud83d"}'}, "a cat \ufffd", None),
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


@pytest.mark.parametrize("name", ["a.txt", "a.json"])
def test_a_caption_file_that_is_too_large_for_one_refuses_the_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with (tmp_path / name).open("wb") as file:
        file.truncate(300_000_000)  # takes no place on the disk, and must take none in memory
    source = only(tmp_path)
    assert source.refused == ("body_too_large", f"{name}: more than the 1048576 bytes of a caption")
    assert source.caption is None
    (tmp_path / name).write_text("c" * CAPTION_BYTES)
    assert only(tmp_path).refused is None


def test_a_large_file_beside_a_picture_is_not_read_where_a_table_says_all(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.json").write_bytes(bytes(2 * CAPTION_BYTES))
    (tmp_path / "metadata.csv").write_text("file_name,text,licence\na.png,a,CC0\n")
    source = only(tmp_path)
    assert (source.caption, source.licence, source.refused) == ("a", "CC0", None)


def test_a_name_with_no_room_for_json_has_no_caption(tmp_path: Path) -> None:
    (tmp_path / f"{'n' * 251}.png").write_bytes(b"x")
    assert only(tmp_path).caption is None
    (tmp_path / f"{'n' * 251}.txt").write_text("a")
    assert only(tmp_path).caption == "a"
