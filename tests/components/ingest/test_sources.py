"""What there is to ingest, in which order, under which keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.sources import list_sources
from platen.errors import InputError, PlatenError, SettingsError
from platen.settings import build


def names(**settings: str) -> list[str]:
    return [source.name for source in list_sources(IngestSettings(**settings))]  # type: ignore[arg-type]


def touch(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"x")


def test_pictures_of_all_folders_below_are_found(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "sub/b.JPG", "sub/sub/c.webp", "notes.txt", ".hidden.png", ".git/d.png", "e.mp4")
    assert sorted(names(folder=str(tmp_path))) == ["a.png", "sub/b.JPG", "sub/sub/c.webp"]


def test_keys_come_from_the_name_and_stay_when_data_grows(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.png" for number in range(20)))
    before = {source.name: source.key for source in list_sources(IngestSettings(folder=str(tmp_path)))}
    touch(tmp_path, *(f"more/{number}.png" for number in range(20)))
    sources = list_sources(IngestSettings(folder=str(tmp_path)))
    assert before["3.png"] == hashlib.sha256(b"3.png").hexdigest()[:16]
    assert before.items() <= {source.name: source.key for source in sources}.items()
    assert [source.key for source in sources] == sorted(source.key for source in sources)


def test_tables_name_files_beside_them_and_urls(tmp_path: Path) -> None:
    touch(tmp_path, "pics/a.png")
    rows = [{"path": "pics/a.png", "caption": "a"}, {"url": "http://example.org/b.png", "caption": "b"}]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = {source.name: source for source in list_sources(IngestSettings(table=str(tmp_path / "t.jsonl")))}
    assert found["pics/a.png"].path == tmp_path.resolve() / "pics/a.png"
    assert found["http://example.org/b.png"].path is None
    assert {source.origin for source in found.values()} == {"table"}


@pytest.mark.parametrize("path", ["../secret.png", "/etc/passwd", "in/../../secret.png", "link.png"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, path: str) -> None:
    touch(tmp_path, "secret.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data" / "t.jsonl").write_text(json.dumps({"path": path, "caption": "a"}))
    [source] = list_sources(IngestSettings(table=str(tmp_path / "data" / "t.jsonl")))
    assert source.refused is not None
    assert source.refused[0] == "path_refused"


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "out/b.png")
    (tmp_path / "in" / "same.png").symlink_to("a.png")
    (tmp_path / "in" / "other.png").symlink_to(tmp_path / "out" / "b.png")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "out")
    found = {source.name: source.refused for source in list_sources(IngestSettings(folder=str(tmp_path / "in")))}
    assert found == {
        "a.png": None,
        "same.png": None,
        "other.png": ("path_refused", "other.png leads out of the folder"),
    }


def test_a_url_listed_twice_is_taken_once_whatever_the_order(tmp_path: Path) -> None:
    lines = ["http://a/x.png,second", "http://a/x.png,first", "http://a/y.png,other"]
    for order in (lines, lines[::-1]):
        (tmp_path / "t.csv").write_text("url,caption\n" + "\n".join(order) + "\n")
        found = list_sources(IngestSettings(urls=str(tmp_path / "t.csv")))
        assert sorted(source.caption or "" for source in found if source.refused is None) == ["first", "other"]
        assert [source.refused for source in found if source.refused] == [("duplicate_source", "listed more than once")]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, r"ingest\.folder: not set, and neither is ingest\.table nor ingest\.urls"),
        ({"folder": "none"}, "none: no such folder.*ingest.folder.*png"),
        ({"folder": "empty"}, "empty: an empty folder.*captions beside them"),
        ({"folder": "texts"}, "texts: no picture among 1 files"),
        ({"urls": "paths.csv"}, r"paths\.csv, line 2: no URL. Accepted in ingest\.urls"),
        ({"table": "head.csv"}, r"head\.csv: a table without rows"),
    ],
)
def test_what_cannot_be_ingested_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "texts/a.txt")
    (tmp_path / "paths.csv").write_text("path,caption\na.png,b\n")
    (tmp_path / "head.csv").write_text("path,caption\n")
    with pytest.raises(PlatenError, match=problem) as error:
        names(**given)
    assert isinstance(error.value, InputError | SettingsError)
    assert error.value.exit_code == 2


def test_a_metadata_table_that_links_out_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "b"}')
    (tmp_path / "in" / "metadata.jsonl").symlink_to(tmp_path / "metadata.jsonl")
    with pytest.raises(InputError, match="a link out of"):
        names(folder=str(tmp_path / "in"))


@pytest.mark.parametrize("host", ["localhost", "http://localhost:80", "localhost:http", "a b:80"])
def test_an_allowed_host_needs_its_port(host: str) -> None:
    with pytest.raises(SettingsError, match="is not host:port"):
        build(IngestSettings, {"allow_hosts": [host]})
