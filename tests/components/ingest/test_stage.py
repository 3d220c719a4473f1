"""The whole stage: what comes out of the sample, the same bytes whatever happens, a clear word when nothing does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platen.artifacts.dataset import is_done, read_drops, read_index, read_samples
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.stage import STAGE
from platen.components.sample.draw import draw
from platen.components.sample.settings import SampleSettings
from platen.components.sample.web import serving
from platen.core.errors import InputError
from platen.core.manifest import sha256
from platen.core.stage import Result, run_stage

FETCHED = ("address_refused", "body_too_large", "http_error", "missing_caption", "timed_out")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A drawn sample whose web server runs."""
    folder = tmp_path_factory.mktemp("sample")
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    draw(SampleSettings(pictures=40, faults=4, port=port), folder / "s")
    with serving(folder / "s" / "web", port=port):
        yield folder / "s"


def settings_for(sample: Path, **more: Any) -> IngestSettings:
    port = json.loads((sample / "truth.json").read_text())["settings"]["port"]
    chosen = {"shard_size": 12, "deadline": 1.0, "max_bytes": 200_000, "allow_hosts": [f"localhost:{port}"], **more}
    return IngestSettings(folder=str(sample / "pictures"), urls=str(sample / "urls.csv"), **chosen)


def run(settings: IngestSettings, workspace: Path) -> Result:
    return run_stage(STAGE, settings, {}, str(workspace))


@pytest.fixture(scope="module")
def whole(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The sample, ingested without interruption."""
    return run(settings_for(sample), tmp_path_factory.mktemp("whole"))


def test_what_is_dropped_is_what_was_planted(sample: Path, whole: Result) -> None:
    planted = json.loads((sample / "truth.json").read_text())["planted"]
    manifest = whole.folder.manifest
    assert manifest.dropped == {reason: planted[reason] for reason in FETCHED}
    assert manifest.counts["samples"] == manifest.counts["sources"] - sum(manifest.dropped.values())
    assert sum(manifest.licences.values()) == manifest.counts["samples"]
    assert set(manifest.licences) == {"CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "unknown"}


def test_bytes_and_captions_are_stored_as_they_came(sample: Path, whole: Result) -> None:
    for item in read_samples(whole.folder.path):
        fetched = "://" in item.row.source
        path = sample / ("web" if fetched else "") / "pictures" / item.row.source.rsplit("/", 1)[-1]
        assert item.image == path.read_bytes()
        assert item.row.sha256 == sha256(item.image)
        if not fetched:
            assert item.row.caption == path.with_suffix(".txt").read_bytes().decode()


def test_samples_lie_in_the_order_of_their_keys(whole: Result) -> None:
    keys = [row.key for row in read_index(whole.folder.path)]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys) == whole.folder.manifest.counts["samples"]


def test_every_drop_says_what_and_why(whole: Result) -> None:
    drops = list(read_drops(whole.folder.path))
    assert all(drop.source and drop.detail for drop in drops)
    assert {drop.source for drop in drops if drop.reason == "timed_out"} <= {
        drop.source for drop in drops if "/faults/slow/" in drop.source or "/faults/stalled/" in drop.source
    }


def test_timing_and_concurrency_do_not_change_a_byte(sample: Path, whole: Result, tmp_path: Path) -> None:
    again = run(settings_for(sample, concurrency=3), tmp_path)
    assert not again.cached
    assert again.folder.digest == whole.folder.digest


def test_a_second_run_finds_what_is_there(sample: Path, tmp_path: Path) -> None:
    settings = IngestSettings(folder=str(sample / "pictures"))
    first = run(settings, tmp_path)
    assert run(settings, tmp_path).cached
    shutil.copytree(sample / "pictures", tmp_path / "moved")
    assert run(IngestSettings(folder=str(tmp_path / "moved")), tmp_path).folder.uri == first.folder.uri


@pytest.mark.parametrize("change", ["picture", "caption", "licence", "more"])
def test_a_changed_source_is_another_data_set(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.png").write_bytes(name.encode())
        (folder / f"{name}.txt").write_text(name)
    (folder / "notes.md").write_text("not read")
    first = run(IngestSettings(folder=str(folder)), tmp_path / "ws")
    (folder / "notes.md").write_text("changed, and still not read")
    assert run(IngestSettings(folder=str(folder)), tmp_path / "ws").cached
    file, text = {
        "picture": ("a.png", "changed"),
        "caption": ("b.txt", "changed"),
        "licence": ("metadata.csv", "file_name,licence\na.png,CC0\n"),
        "more": ("c.png", "new"),
    }[change]
    (folder / file).write_text(text)
    second = run(IngestSettings(folder=str(folder)), tmp_path / "ws")
    assert not second.cached
    assert second.folder.digest != first.folder.digest


def test_killed_in_the_middle_it_goes_on_and_ends_the_same(sample: Path, whole: Result, tmp_path: Path) -> None:
    settings = settings_for(sample)
    code = (
        "import sys; from platen.components.ingest.settings import IngestSettings;"
        "from platen.components.ingest.stage import STAGE; from platen.core.stage import run_stage;"
        "run_stage(STAGE, IngestSettings.model_validate_json(sys.argv[1]), {}, sys.argv[2])"
    )
    given = {name: getattr(settings, name) for name in IngestSettings.model_fields}
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(given), str(tmp_path)])
    out = tmp_path / "ingest" / f".{whole.folder.manifest.fingerprint}" / "out"
    while not list(out.glob("index/*.parquet")):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in (out / "index").glob("*.parquet")}
    assert 0 < len(done) < whole.folder.manifest.counts["shards"]
    resumed = run(settings, tmp_path)
    assert not resumed.cached
    assert resumed.folder.digest == whole.folder.digest
    assert {name: (resumed.folder.path / "index" / name).stat().st_mtime_ns for name in done} == done


def test_nothing_ingested_is_an_error_that_counts_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    table = tmp_path / "urls.csv"
    table.write_text(f"url,caption\nhttp://localhost:{port}/a.png,a\nhttp://10.0.0.1/b.png,b\n")
    settings = IngestSettings(urls=str(table), allow_hosts=(f"localhost:{port}",), retries=0)
    with pytest.raises(InputError, match=r"none of its 2 images .*address_refused 1, connection_failed 1"):
        run(settings, tmp_path / "ws")
    assert not is_done(next((tmp_path / "ws" / "ingest").glob(".*/out")), "00000")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.png").write_bytes(b"now there is a server")
    with serving(tmp_path / "web", port=port):
        assert run(settings, tmp_path / "ws").folder.manifest.dropped == {"address_refused": 1}


def test_files_that_are_not_there_or_too_large_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "ok.png").write_bytes(b"small")
    (tmp_path / "large.png").write_bytes(bytes(1000))
    os.mkfifo(tmp_path / "pipe.png")
    rows = "\n".join(f"{name}.png,a caption" for name in ("ok", "large", "pipe", "gone"))
    (tmp_path / "t.csv").write_text(f"path,caption\n{rows}\n")
    result = run(IngestSettings(table=str(tmp_path / "t.csv"), max_bytes=999, licence="CC0-1.0"), tmp_path / "ws")
    assert result.folder.manifest.dropped == {"body_too_large": 1, "missing_file": 2}
    assert result.folder.manifest.licences == {"CC0-1.0": 1}


def pictures_in(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(name.encode(errors="surrogateescape"))
    return folder


def test_bad_entries_do_not_end_the_others(tmp_path: Path, site: Any) -> None:
    site.routes["/to-nowhere"] = (302, {"Location": "http:////["}, b"")
    site.routes["/ok.png"] = (200, {}, b"picture")
    site.routes["/robots.txt"] = (200, {}, "User-agent: *\nDisallow: //[x\nCrawl-delay: ²\n".encode())
    folder = pictures_in(tmp_path / "in", "a.png", os.fsdecode(b"caf\xe9.png"), "b.png")
    (folder / "metadata.jsonl").write_text(r'{"file_name": "a.png", "text": "a cat \ud83d"}')
    with (folder / "b.txt").open("wb") as file:
        file.truncate(300_000_000)
    paths = ["a\0.png", f"{'n' * 300}.png", "/".join(["n" * 200] * 30)]
    urls = ["http://xn--a/x.png", site.url("/to-nowhere"), site.url("/ok.png")]
    rows = [{"path": path} for path in paths] + [{"url": url} for url in urls]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({**row, "caption": "y \udc00"}) for row in rows))
    settings = IngestSettings(folder=str(folder), table=str(tmp_path / "t.jsonl"), allow_hosts=(site.host,))
    result = run(settings, tmp_path / "ws")
    reasons = {"address_refused": 2, "body_too_large": 1, "missing_file": 1, "path_refused": 3}
    assert result.folder.manifest.dropped == reasons
    captions = {row.source: row.caption for row in read_index(result.folder.path)}
    assert captions == {"a.png": "a cat \ufffd", site.url("/ok.png"): "y \ufffd"}


def test_a_table_that_only_gives_a_folder_its_captions_is_not_a_source_of_nothing(tmp_path: Path) -> None:
    folder = pictures_in(tmp_path / "p2", "a.png", "b.png")
    (folder / "captions.csv").write_text("path,caption\na.png,one\nb.png,two\n")
    result = run(IngestSettings(folder=str(folder), table=str(folder / "captions.csv")), tmp_path / "ws")
    assert result.folder.manifest.dropped == {"duplicate_source": 2}
    kept = {row.key: row.caption for row in read_index(result.folder.path)}
    assert sorted(kept.values()) == ["one", "two"]
    dropped = [drop.key for drop in read_drops(result.folder.path)]
    assert len({*dropped, *kept}) == 4  # merge joins by key: a repeat must not take its picture along


def test_a_table_of_another_folder_adds_its_own_pictures(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pictures_in(tmp_path / name, "a.png")
        (tmp_path / name / "a.png").write_text(name)
        (tmp_path / name / "a.txt").write_text(f"from {name}")
    (tmp_path / "two" / "t.csv").write_text("path\na.png\n")
    settings = IngestSettings(folder=str(tmp_path / "one"), table=str(tmp_path / "two" / "t.csv"))
    samples = list(read_samples(run(settings, tmp_path / "ws").folder.path))
    assert {item.row.caption: item.image for item in samples} == {"from one": b"one", "from two": b"two"}


def test_who_asks_is_part_of_what_comes_out(tmp_path: Path, site: Any) -> None:
    def for_known_agents(before: int) -> tuple[int, dict[str, str], bytes]:
        known = site.headers[-1]["User-Agent"] == "me/1.0"
        return (200, {}, b"picture") if known else (403, {}, b"")

    site.routes["/a.png"] = for_known_agents
    site.routes["/b.png"] = (200, {}, b"for all")
    table = tmp_path / "urls.csv"
    table.write_text(f"url,caption\n{site.url('/a.png')},a\n{site.url('/b.png')},b\n")
    # One after the other, as the server tells by the headers that came last.
    settings = IngestSettings(urls=str(table), allow_hosts=(site.host,), concurrency=1)
    assert run(settings, tmp_path / "ws").folder.manifest.dropped == {"http_error": 1}
    named = settings.model_copy(update={"user_agent": "me/1.0"})
    assert run(named, tmp_path / "ws").folder.manifest.dropped == {}


def test_what_decides_which_answers_come_is_in_the_fingerprint() -> None:
    told = IngestSettings().model_dump()
    assert {"retries", "connect_timeout", "user_agent"} <= told.keys()
    assert "concurrency" not in told
    assert told["user_agent"] is None  # a new release of platen finds what the last one made
