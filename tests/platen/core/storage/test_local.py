from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.core.errors import InputError, StorageError
from platen.core.manifest import MANIFEST, Manifest, decode
from platen.core.stage import run_stage
from platen.core.storage import LocalStore, saving, write_file
from tests.platen.small_stages import WordSettings, word_stage


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return run_stage(word_stage(), WordSettings(), {}, str(tmp_path / "made")).folder.manifest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB: full is full."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine does not let root mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]


def test_write_that_fails_leaves_the_old_file_and_nothing_beside_it(small_disk: Path) -> None:
    path = small_disk / "a.bin"
    write_file(path, b"old")
    with pytest.raises(StorageError, match=r"disk/.*: no space left; free some, or set another workspace"):
        LocalStore().write(str(path), b"x" * 400_000)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in small_disk.iterdir()] == ["a.bin"]


@given(st.binary(max_size=3000))
def test_what_is_put_is_what_one_gets(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("store")
    (folder / "from").write_bytes(data)
    store, uri = LocalStore(), str(folder / "deep" / "object")
    store.put(folder / "from", uri)
    store.get(uri, folder / "back" / "to")
    assert store.read(uri) == (folder / "back" / "to").read_bytes() == data
    assert store.list(str(folder)) == ["back", "deep", "from"]
    store.remove(uri)
    store.remove(uri)
    assert store.list(str(folder / "deep")) == []
    store.remove(str(folder))
    assert not folder.exists()


def test_object_that_is_absent_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: no such file"):
        LocalStore().get(str(tmp_path / "none"), tmp_path / "deep" / "to")
    with pytest.raises(FileNotFoundError):
        LocalStore().put(tmp_path / "none", str(tmp_path / "object"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_read_and_list(tmp_path: Path) -> None:
    store = LocalStore()
    store.write(str(tmp_path / "b"), b"1")
    store.write(str(tmp_path / "a"), b"2")
    assert store.read(str(tmp_path / "a")) == b"2"
    assert store.read(str(tmp_path / "none")) is store.read(str(tmp_path / "a" / "below")) is None
    assert store.list(str(tmp_path)) == ["a", "b"]
    assert store.list(str(tmp_path / "none")) == []


def desk(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / f"desk-{text}"
    folder.mkdir()
    (folder / "a.txt").write_text(text)
    return folder


def test_first_commit_of_a_name_wins(tmp_path: Path, manifest: Manifest) -> None:
    store, uri = LocalStore(), str(tmp_path / "ws" / "stage" / "name")
    assert store.commit(desk(tmp_path, "one"), uri, manifest)
    assert not store.commit(desk(tmp_path, "two"), uri, manifest)
    assert Path(uri, "a.txt").read_text() == "one"
    assert decode(Path(uri, MANIFEST).read_bytes(), uri) == manifest
    assert store.fetch(uri, manifest) == Path(uri)


def test_folder_without_a_manifest_gives_way(tmp_path: Path, manifest: Manifest) -> None:
    uri = tmp_path / "ws" / "stage" / "name"
    uri.mkdir(parents=True)
    (uri / "left.txt").write_text("of an attempt whose manifest was taken away")
    assert LocalStore().commit(desk(tmp_path, "new"), str(uri), manifest)
    assert sorted(path.name for path in uri.iterdir()) == ["a.txt", MANIFEST]


@pytest.mark.parametrize(
    ("number", "told"),
    [(13, "no permission to write"), (28, "no space left"), (30, "read-only"), (122, "disk quota is used up")],
)
def test_refusal_of_the_file_system_is_a_storage_error_with_the_place(number: int, told: str) -> None:
    with pytest.raises(StorageError, match=f"^/data/x: .*{told}") as caught, saving("/data"):
        raise OSError(number, "refused", "/data/x")
    assert caught.value.exit_code == 1
    with pytest.raises(StorageError, match=r"^/data: "), saving("/data"):
        raise OSError(number, "refused")


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), saving("/data"):
        raise FileNotFoundError(2, "none", "/data/x")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from platen.core.errors import StorageError
from platen.core.stage import run_stage
from tests.platen.small_stages import WordSettings, word_stage
try:
    run_stage(word_stage(), WordSettings(word="x" * 1000, times=400), {}, sys.argv[1])
except StorageError as error:
    sys.exit(f"StorageError {error}")
"""


def test_file_size_limit_in_the_middle_of_a_stage_leaves_nothing_committed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[4])
    assert re.search(r"^StorageError .*: larger than a file may be here", done.stderr, re.MULTILINE), done.stderr
    assert [path for path in (tmp_path / "word").iterdir() if not path.name.startswith(".")] == []
    assert list(tmp_path.rglob("word.txt")) == []


def test_full_disk_in_the_middle_of_a_stage_leaves_nothing_committed(small_disk: Path) -> None:
    workspace = str(small_disk / "ws")
    with pytest.raises(StorageError, match="no space left"):
        run_stage(word_stage(), WordSettings(word="x" * 1000, times=400), {}, workspace)
    assert [path for path in Path(workspace, "word").iterdir() if not path.name.startswith(".")] == []
    again = run_stage(word_stage(), WordSettings(word="x" * 1000, times=100), {}, workspace)
    assert not again.cached and again.folder.manifest.files[0].size == 100_000
