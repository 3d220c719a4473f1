"""What there is to ingest, in which order, under which keys."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.sources import Source, is_readable, list_sources
from platen.core.errors import InputError, PlatenError, SettingsError
from platen.core.settings import build


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


def listed(**settings: str) -> list[Source]:
    return list_sources(IngestSettings(**settings))  # type: ignore[arg-type]


def write_table(path: Path, *rows: dict[str, str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_two_files_of_one_name_are_two_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "pics/a.png", "pics/b.png", "other/a.png")
    table = write_table(tmp_path / "other" / "t.jsonl", {"path": "a.png", "caption": "another"})
    found = listed(folder=str(tmp_path / "pics"), table=table)
    assert [source.refused for source in found] == [None] * 3
    keys = {(source.origin, source.name): source.key for source in found}
    assert len(set(keys.values())) == 3
    assert keys["folder", "a.png"] == hashlib.sha256(b"a.png").hexdigest()[:16]
    assert [source.key for source in found] == sorted(keys.values())
    assert [source.key for source in listed(table=table)] == [hashlib.sha256(b"a.png").hexdigest()[:16]]


def test_keys_do_not_depend_on_where_two_folders_lie(tmp_path: Path) -> None:
    keys = []
    for place in ("one", "two/deep"):
        touch(tmp_path / place, "pics/a.png", "other/a.png")
        table = write_table(tmp_path / place / "other" / "t.jsonl", {"path": "a.png"})
        keys.append([source.key for source in listed(folder=str(tmp_path / place / "pics"), table=table)])
    assert keys[0] == keys[1]


@pytest.mark.parametrize("below", ["", "sub"])
def test_a_folder_and_a_table_of_its_captions_are_the_same_pictures(tmp_path: Path, below: str) -> None:
    touch(tmp_path, "sub/a.png", "sub/b.png")
    rows = [{"path": f"{'' if below else 'sub/'}{name}.png", "caption": name, "licence": "CC0"} for name in "ab"]
    found = listed(folder=str(tmp_path), table=write_table(tmp_path / below / "captions.jsonl", *rows))
    kept = [source for source in found if not source.refused]
    assert {source.name: (source.caption, source.licence) for source in kept} == {
        "sub/a.png": ("a", "CC0"),
        "sub/b.png": ("b", "CC0"),
    }
    assert [source.refused[0] for source in found if source.refused] == ["duplicate_source"] * 2
    assert {source.repeats for source in found if source.refused} == {source.key for source in kept}


def test_copies_of_one_thing_are_that_thing(tmp_path: Path) -> None:
    touch(tmp_path, "one/sub/a.png", "two/a.png")
    table = write_table(tmp_path / "two" / "t.jsonl", {"path": "a.png", "caption": "a"})
    settings = IngestSettings(folder=str(tmp_path / "one"), table=table)
    copies = {str(tmp_path / "one"): "gs://b/p", str(tmp_path / "two"): "gs://b/p/sub"}
    kept, repeat = list_sources(settings, copies=copies)
    assert (kept.name, kept.caption, kept.refused) == ("sub/a.png", "a", None)
    assert repeat.repeats == kept.key


def test_an_entry_with_a_caption_is_taken_before_one_without(tmp_path: Path) -> None:
    rows = ["http://h/a.png,,CC0", "http://h/a.png,a real caption,", "http://h/a.png,,"]
    for order in (rows, rows[::-1]):
        (tmp_path / "t.csv").write_text("url,caption,licence\n" + "\n".join(order) + "\n")
        kept, *repeats = listed(urls=str(tmp_path / "t.csv"))
        assert (kept.caption, kept.licence, kept.refused) == ("a real caption", "CC0", None)
        assert [source.refused and source.refused[0] for source in repeats] == ["duplicate_source"] * 2
        assert kept.key == hashlib.sha256(b"http://h/a.png").hexdigest()[:16]
        assert len({source.key for source in [kept, *repeats]}) == 3


def test_an_entry_that_may_be_read_is_taken_before_one_that_leads_out(tmp_path: Path) -> None:
    touch(tmp_path, "far/a.png", "in/b.png")
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "far" / "a.png")
    table = write_table(tmp_path / "t.jsonl", {"path": "in/a.png", "caption": "a"})
    found = listed(folder=str(tmp_path / "in"), table=table)
    assert {source.name: source.refused and source.refused[0] for source in found} == {
        "b.png": None,
        "in/a.png": None,
        "a.png": "duplicate_source",
    }


@pytest.mark.parametrize(
    ("path", "name", "detail"),
    [
        ("a\0b.png", "a\0b.png", "has a zero byte"),
        (f"{'n' * 300}.png", f"{'n' * 300}.png", "has a part of more than 255 bytes"),
        ("a\ud83d.png", r"a\ud83d.png", "is not UTF-8"),
        ("../a\udce9.png", r"../a\udce9.png", "is not UTF-8"),
        (".", ".", "is not below the table's folder"),
    ],
)
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, path: str, name: str, detail: str) -> None:
    [source] = listed(table=write_table(tmp_path / "t.jsonl", {"path": path, "caption": "a"}))
    assert source.name == name
    assert source.refused == ("path_refused", f"{name} {detail}")


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", os.fsdecode(b"caf\xe9.png"))
    found = {source.name: source.refused for source in listed(folder=str(tmp_path))}
    assert found == {"a.png": None, r"caf\udce9.png": ("path_refused", r"caf\udce9.png is not UTF-8")}


def test_a_url_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    [source] = listed(urls=write_table(tmp_path / "t.jsonl", {"url": "http://h/\ud83d.png", "caption": "a"}))
    assert source.refused == ("address_refused", "not a URL: is not Unicode text")


def test_links_in_a_circle_and_paths_too_long_as_a_whole_are_no_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "b.png").symlink_to("b.png")
    long = "/".join(["n" * 200] * 30) + "/a.png"
    rows = [{"path": path, "caption": "a"} for path in ("a.png", "b.png", long)]
    found = listed(table=write_table(tmp_path / "t.jsonl", *rows))
    assert {source.name: is_readable(source) for source in found} == {"a.png": True, "b.png": False, long: False}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, r"ingest\.folder: not set, and neither is ingest\.table nor ingest\.urls"),
        ({"folder": "none"}, "none: no such folder.*ingest.folder.*png"),
        ({"folder": "empty"}, "empty: an empty folder.*captions beside them"),
        ({"folder": "texts"}, "texts: no image among 1 files"),
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
