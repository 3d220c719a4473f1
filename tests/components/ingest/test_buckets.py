"""Sources in a bucket give the data set that the same sources in a folder give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from platen.artifacts.dataset import read_drops
from platen.components.ingest.buckets import Remote, bring, brought, captions_of, in_buckets, with_captions
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.stage import STAGE
from platen.components.sample.draw import draw
from platen.components.sample.settings import SampleSettings
from platen.core.errors import InputError
from platen.core.stage import Result, run_stage
from platen.core.storage import join, store_for
from platen.core.storage.gcs import GcsStore
from platen.core.storage.transfer import Object


def upload(folder: Path, uri: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store_for(uri).put(path, join(uri, path.relative_to(folder).as_posix()))


def run(workspace: str, **settings: Any) -> Result:
    return run_stage(STAGE, IngestSettings(**{"shard_size": 10, "max_bytes": 200_000, **settings}), {}, workspace)


def dropped(result: Result) -> dict[str, tuple[str, str]]:
    return {drop.source: (drop.reason, drop.detail) for drop in read_drops(result.folder.path)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures with their captions, one that is too large, one without a caption, and what is none of ours."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(SampleSettings(pictures=24, faults=1, port=1), folder)
    found = folder / "pictures"
    (found / "deep" / "er").mkdir(parents=True)
    (found / "deep" / "er" / "large.png").write_bytes(b"\x89PNG\r\n" + bytes(300_000))
    (found / "deep" / "er" / "large.txt").write_text("large")
    (found / "deep" / "bare.png").write_bytes(b"\x89PNG\r\n")
    (found / ".hidden").mkdir()
    (found / ".hidden" / "a.png").write_bytes(b"\x89PNG\r\n")
    (found / "notes.pdf").write_bytes(b"%PDF")
    return found


def test_a_folder_in_a_bucket_gives_the_same_data_set(pictures: Path, prefix: str, tmp_path: Path) -> None:
    upload(pictures, f"{prefix}/in")
    here = run(str(tmp_path / "ws"), folder=str(pictures))
    there = run(f"{prefix}/ws", folder=f"{prefix}/in/")
    assert there.folder.manifest.files == here.folder.manifest.files
    assert there.folder.manifest.counts == here.folder.manifest.counts
    assert there.folder.manifest.dropped == here.folder.manifest.dropped
    assert dropped(there)["deep/er/large.png"] == ("body_too_large", "300006 bytes; the cap is 200000")
    assert run(f"{prefix}/ws", folder=f"{prefix}/in").cached


def test_a_change_of_one_object_is_another_input(pictures: Path, prefix: str) -> None:
    upload(pictures, f"{prefix}/in")
    first = run(f"{prefix}/ws", folder=f"{prefix}/in")
    store_for(prefix).write(f"{prefix}/in/deep/bare.txt", b"bare no more")
    second = run(f"{prefix}/ws", folder=f"{prefix}/in")
    assert not second.cached
    assert second.folder.manifest.counts["samples"] == first.folder.manifest.counts["samples"] + 1
    store_for(prefix).write(f"{prefix}/in/notes.pdf", b"what is none of ours does not count")
    assert run(f"{prefix}/ws", folder=f"{prefix}/in").cached


def test_a_table_in_a_bucket_brings_what_it_names_and_no_more(
    pictures: Path, prefix: str, scratch: Path, tmp_path: Path
) -> None:
    named = sorted(path for path in pictures.glob("*.png"))[:3]
    rows = [{"path": f"pictures/../pictures/{path.name}", "caption": path.stem} for path in named]
    rows += [{"path": "../out.png", "caption": "x"}, {"path": "pictures/none.png", "caption": "y"}]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(pictures, tmp_path / "in" / "pictures")
    upload(tmp_path / "in", f"{prefix}/in")
    here = run(str(tmp_path / "ws"), table=str(tmp_path / "in" / "t.jsonl"))
    there = run(f"{prefix}/ws", table=f"{prefix}/in/t.jsonl")
    assert there.folder.manifest.files == here.folder.manifest.files
    assert {reason for reason, _ in dropped(there).values()} == {"path_refused", "missing_file"}


def test_names_that_no_file_can_have_are_refused_one_by_one(prefix: str, tmp_path: Path) -> None:
    """The emulator keeps objects as files, so these names are not on it; the bucket's list is taken as given."""
    for name in ("fine.png", "x.png/y.png"):
        store_for(prefix).write(f"{prefix}/{name}", b"\x89PNG\r\n")
    hostile = ["../out.png", "a//b.png", "/abs.png", "deep/./x.png", "x.png", f"{'n' * 300}.png", "nul\0.png"]
    known = GcsStore().objects(prefix)
    listed = {**known, **dict.fromkeys([*hostile, "../no picture.txt"], Object(6, "", 1))}
    refused = bring(Remote("folder", prefix, prefix, listed), tmp_path / "in", 1000)
    assert {source.name: source.refused and source.refused[0] for source in refused} == dict.fromkeys(
        hostile, "path_refused"
    )
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png") if path.is_file()) == [
        "in/fine.png",
        "in/x.png/y.png",
    ]


def test_a_source_that_changes_while_it_is_read_is_refused(prefix: str, tmp_path: Path) -> None:
    store_for(prefix).write(f"{prefix}/in/a.png", b"\x89PNG\r\n")
    settings = IngestSettings(folder=f"{prefix}/in")
    [before] = in_buckets(settings)
    store_for(prefix).write(f"{prefix}/in/a.png", b"\x89PNG\r\nx")
    with (
        pytest.raises(InputError, match=r"in: changed while it was read"),
        brought(settings, {"folder": before.digest}, tmp_path),
    ):
        pass
    with pytest.raises(InputError, match=r"a\.png: was replaced while it was read"):
        bring(before, tmp_path / "in", 1000)
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize(
    ("setting", "name", "told"),
    [
        ("folder", "in", r"in: no image among 1 objects"),
        ("folder", "nothing", r"nothing: no image among 0 objects"),
        ("table", "nothing.csv", r"nothing\.csv: no such object"),
        ("urls", "in/t.csv", r"in/t\.csv, line 2: names no image"),
    ],
)
def test_what_cannot_be_used_is_named_as_it_was_given(prefix: str, setting: str, name: str, told: str) -> None:
    store_for(prefix).write(f"{prefix}/in/t.csv", b"caption\nx\n")
    with pytest.raises(InputError, match=rf"^{prefix}/{told}"):
        run(f"{prefix}/ws", **{setting: f"{prefix}/{name}"})


def test_urls_and_pictures_may_lie_in_different_places(pictures: Path, prefix: str, tmp_path: Path) -> None:
    store_for(prefix).write(f"{prefix}/in/t.csv", b"url,caption\nhttp://127.0.0.1:1/a.png,x\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "one" / "a.txt").write_text("a")
    with pytest.raises(InputError, match=rf"^{prefix}/in/t\.csv: none of its 1 images .*address_refused 1"):
        run(f"{prefix}/ws", folder=str(tmp_path / "one"), urls=f"{prefix}/in/t.csv")


def test_a_folder_and_a_table_of_its_captions_are_the_same_pictures(prefix: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.png").write_bytes(b"\x89PNG\r\n" + name.encode())
    (source / "captions.csv").write_text("path,caption\na.png,one\nb.png,two\n")
    upload(source, f"{prefix}/in")
    here = run(str(tmp_path / "ws"), folder=str(source), table=str(source / "captions.csv"))
    there = run(f"{prefix}/ws", folder=f"{prefix}/in", table=f"{prefix}/in/captions.csv")
    assert there.folder.manifest.files == here.folder.manifest.files
    assert there.folder.manifest.dropped == {"duplicate_source": 2}


def test_the_cap_of_captions_is_not_that_of_pictures(prefix: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name, caption in (("a", "c" * 1000), ("b", "c" * 2_000_000)):
        (source / f"{name}.png").write_bytes(b"\x89PNG\r\n" + name.encode())
        (source / f"{name}.txt").write_text(caption)
    upload(source, f"{prefix}/in")
    here = run(str(tmp_path / "ws"), folder=str(source), max_bytes=500)
    there = run(f"{prefix}/ws", folder=f"{prefix}/in", max_bytes=500)
    assert there.folder.manifest.files == here.folder.manifest.files
    assert there.folder.manifest.dropped == {"body_too_large": 1}


def test_captions_count_where_their_picture_is() -> None:
    names = {"a.png", "a.txt", "a.json", "b.txt", "metadata.csv", ".x/c.png", "d/.e.png", "../f.png", "g.mp4"}
    assert with_captions(names) == {"a.png", "a.txt", "a.json", "metadata.csv", "../f.png"}
    assert with_captions({"b.txt", "metadata.csv"}) == set()
    assert list(captions_of(["x/a.tar.png"])) == ["x/a.tar.txt", "x/a.tar.json"]
