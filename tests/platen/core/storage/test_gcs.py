"""Folders in a bucket, on the storage emulator: real objects, real processes, real faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platen.core.errors import CorruptError, InputError
from platen.core.lineage import verify, walk
from platen.core.manifest import MANIFEST, RUN, Manifest, list_files
from platen.core.stage import Folder, Inputs, Outcome, Place, find, open_folder, run_stage
from platen.core.storage import join
from platen.core.storage.client import UPLOAD_CHUNK
from platen.core.storage.gcs import GcsStore
from platen.core.storage.transfer import upload, usable_names
from tests.platen.small_stages import READ, WordSettings, word_stage

REPOSITORY = Path(__file__).parents[4]
STORE = GcsStore()
PARTS = st.text(st.sampled_from("abä #?%+&=;~'\"[*]{}$@"), min_size=1, max_size=6).filter(lambda part: part.strip(" "))
FILES = st.dictionaries(
    st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), min_size=1, max_size=5
).filter(lambda files: usable_names(files) == set(files))


@pytest.fixture(scope="module")
def example() -> Manifest:
    """Some manifest, to take another's files into."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return run_stage(word_stage(), WordSettings(), {}, folder).folder.manifest


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def commit(folder: Path, uri: str, example: Manifest) -> tuple[bool, Manifest]:
    manifest = example.model_copy(update={"files": list_files(folder)})
    return STORE.commit(folder, uri, manifest), manifest


def read_back(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if name != MANIFEST}


@given(FILES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_committed_is_what_is_fetched(
    bucket: str, scratch: Path, example: Manifest, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    uri = f"{bucket}/{uuid.uuid4().hex[:8]}"
    won, manifest = commit(write(tmp_path_factory.mktemp("files"), files), uri, example)
    found = find(uri)
    assert won and found is not None and found.manifest == manifest
    assert read_back(found.path) == files
    assert verify(uri) == len(files)
    assert sorted(STORE.objects(uri)) == sorted([*files, MANIFEST])


@given(st.binary(max_size=3000))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_put_is_what_one_gets(prefix: str, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "from").write_bytes(data)
    STORE.put(tmp_path / "from", f"{prefix}/deep/object")
    STORE.get(f"{prefix}/deep/object", tmp_path / "back" / "to")
    assert (tmp_path / "back" / "to").read_bytes() == STORE.read(f"{prefix}/deep/object") == data
    STORE.write(f"{prefix}/deep/object", data[::-1])
    assert STORE.read(f"{prefix}/deep/object") == data[::-1]


def test_names_below_and_what_is_removed(prefix: str, tmp_path: Path) -> None:
    for name in ("a/b", "a/c/d", "ab", "z"):  # the emulator keeps objects as files, so "a" cannot be beside "a/b"
        STORE.write(f"{prefix}/{name}", b"x")
    assert STORE.list(prefix) == STORE.list(f"{prefix}/") == ["a", "ab", "z"]
    assert STORE.list(f"{prefix}/a") == ["b", "c"]
    assert STORE.list(f"{prefix}/none") == []
    STORE.remove(f"{prefix}/a")
    STORE.remove(f"{prefix}/a")
    STORE.remove(f"{prefix}/z")
    assert STORE.list(prefix) == ["ab"]
    assert STORE.read(f"{prefix}/z") is None
    with pytest.raises(InputError, match=r"/z: no such object"):
        STORE.get(f"{prefix}/z", tmp_path / "deep" / "z")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_long_file_and_many_small_ones(prefix: str, tmp_path: Path, example: Manifest) -> None:
    """Above 8 MiB the library uploads in chunks; below, in one request. More files than go in one batch."""
    files = {f"small/{number:03d}": bytes([number]) for number in range(150)}
    files["long.bin"] = os.urandom((UPLOAD_CHUNK << 1) + 1)
    assert commit(write(tmp_path / "files", files), f"{prefix}/x", example)[0]
    assert read_back(open_folder(f"{prefix}/x").path) == files


def test_address_without_its_scheme(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    STORE.write(f"{prefix}/a", b"x")
    bare = os.environ["STORAGE_EMULATOR_HOST"].partition("://")[2] or os.environ["STORAGE_EMULATOR_HOST"]
    for address in (bare, f"http://{bare}", f"http://{bare}/"):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        assert STORE.read(f"{prefix}/a") == b"x"


# The commit


def test_first_commit_of_a_name_wins(prefix: str, tmp_path: Path, example: Manifest) -> None:
    first, manifest = commit(write(tmp_path / "one", {"a": b"one"}), prefix, example)
    second, _ = commit(write(tmp_path / "two", {"a": b"two", "b": b"more"}), prefix, example)
    assert (first, second) == (True, False)
    assert open_folder(prefix).manifest == manifest
    assert sorted(STORE.objects(prefix)) == ["a", MANIFEST]
    STORE.verify(prefix, manifest)


def test_of_committers_at_once_one_wins(prefix: str, tmp_path: Path, example: Manifest) -> None:
    folder = write(tmp_path, {f"{number}": os.urandom(1000) for number in range(12)})
    for attempt in range(6):
        together = Barrier(4)
        uri = f"{prefix}/{attempt}"

        def take_part(number: int, uri: str = uri, together: Barrier = together) -> tuple[bool, Manifest]:
            together.wait()
            return commit(folder, uri, example)

        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(take_part, range(4)))
        assert sorted(won for won, _ in told) == [False, False, False, True]
        STORE.verify(uri, told[0][1])


def test_a_late_committer_of_other_bytes_writes_over_nothing(prefix: str, tmp_path: Path, example: Manifest) -> None:
    """It looked before the first one had uploaded anything, and uploads when that one has committed."""
    there = STORE.objects(prefix)
    _, manifest = commit(write(tmp_path / "one", {"a": b"one"}), prefix, example)
    upload(write(tmp_path / "two", {"a": b"two"}), prefix, ["a"], there)
    STORE.verify(prefix, manifest)


def test_a_committer_that_saw_a_leftover_does_not_write_over_its_successor(
    prefix: str, tmp_path: Path, example: Manifest
) -> None:
    STORE.write(f"{prefix}/a", b"left by a killed attempt")
    there = STORE.objects(prefix)
    _, manifest = commit(write(tmp_path / "one", {"a": b"one"}), prefix, example)
    upload(write(tmp_path / "two", {"a": b"two"}), prefix, ["a"], there)
    STORE.verify(prefix, manifest)


KILLED = """
import os, sys
from platen.core.stage import Outcome, run_stage
from platen.core.storage import gcs, transfer
from tests.platen.small_stages import WordSettings, word_stage

def work(settings, inputs, place):
    for number in range(6):
        (place.out / f"{number}.txt").write_text(f"of the killed attempt {number}")
    return Outcome()

def stop(*ignored):
    os.kill(os.getpid(), 9)

transfer.BATCH = 2
if sys.argv[2] == "half-way":
    batches = transfer.batches
    def two(items):
        for number, batch in enumerate(batches(items)):
            if number == 2:
                stop()
            yield batch
    transfer.batches = two
else:
    gcs._create_manifest = stop
run_stage(word_stage(work), WordSettings(), {}, sys.argv[1])
"""


@pytest.mark.parametrize(("when", "left"), [("half-way", 4), ("before the manifest", 6)])
def test_upload_that_is_killed_leaves_nothing_visible_and_the_next_commits(prefix: str, when: str, left: int) -> None:
    def work(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        for number in range(3):  # three of the same name, and fewer of them
            (place.out / f"{number}.txt").write_text(f"of the second attempt {number}")
        return Outcome()

    workspace = f"{prefix}/ws"
    child = subprocess.run([sys.executable, "-c", KILLED, workspace, when], cwd=REPOSITORY, check=False)
    assert child.returncode == -signal.SIGKILL
    [name] = STORE.list(f"{workspace}/word")
    uri = f"{workspace}/word/{name}"
    assert len(STORE.objects(uri)) == left
    assert find(uri) is None
    again = run_stage(word_stage(work), WordSettings(), {}, workspace)
    assert not again.cached and again.folder.uri == uri
    assert read_back(again.folder.path) == {f"{n}.txt": f"of the second attempt {n}".encode() for n in range(3)}
    assert verify(uri) == 3


def test_upload_that_was_killed_goes_on_with_what_is_there(prefix: str, tmp_path: Path, example: Manifest) -> None:
    STORE.write(f"{prefix}/a", b"same")
    STORE.write(f"{prefix}/b", b"left")
    before = STORE.objects(prefix)
    assert commit(write(tmp_path, {"a": b"same", "b": b"new"}), prefix, example)[0]
    now = STORE.objects(prefix)
    assert now["a"].generation == before["a"].generation
    assert now["b"].generation != before["b"].generation


# The copy on this machine


@pytest.fixture
def word(prefix: str) -> Folder:
    """A committed folder in a bucket."""
    return run_stage(word_stage(), WordSettings(word="hello", times=3), {}, f"{prefix}/ws").folder


def fetched(word: Folder) -> Path:
    return STORE.fetch(word.uri, word.manifest) / "words" / "word.txt"


@pytest.mark.parametrize("fault", ["other_bytes", "cut_short", "deleted"])
def test_copy_that_broke_is_mended(word: Folder, fault: str) -> None:
    path = fetched(word)
    if fault == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"hallohallohallo" if fault == "other_bytes" else b"hell")
    assert fetched(word) == path and path.read_text() == "hellohellohello"


def test_copy_of_a_killed_download_is_no_copy(word: Folder, scratch: Path) -> None:
    unfinished = scratch / "fetched" / f".{word.digest}" / "words"
    unfinished.mkdir(parents=True)
    (unfinished / "word.txt").write_text("hel")
    assert fetched(word).read_text() == "hellohellohello"
    assert not unfinished.exists()


@pytest.mark.parametrize(
    ("fault", "told"),
    [("other_bytes", "SHA-256 [0-9a-f]{64}"), ("cut_short", "4 bytes"), ("deleted", "missing")],
)
def test_folder_whose_objects_were_changed_is_refused(
    word: Folder, prefix: str, scratch: Path, fault: str, told: str
) -> None:
    uri = f"{word.uri}/words/word.txt"
    if fault == "deleted":
        STORE.remove(uri)
    else:
        STORE.write(uri, b"hallohallohallo" if fault == "other_bytes" else b"hell")
    with pytest.raises(CorruptError, match=rf"words/word\.txt: {told}"):
        run_stage(READ, WordSettings(), {"text": word.uri}, f"{prefix}/ws")
    with pytest.raises(CorruptError, match=rf"{word.uri}/words/word\.txt: "):
        verify(word.uri)
    assert list(scratch.rglob("word.txt")) == []


def test_verify_looks_at_the_bucket_and_not_at_the_copy(word: Folder) -> None:
    fetched(word)
    STORE.write(f"{word.uri}/words/word.txt", b"hallohallohallo")
    with pytest.raises(CorruptError, match=r"15 bytes with SHA-256"):
        verify(word.uri)


FETCH = """
import sys
from platen.core.stage import open_folder
print((open_folder(sys.argv[1]).path / "words" / "word.txt").read_text())
"""


def test_processes_that_want_the_same_at_once_get_it(word: Folder, scratch: Path) -> None:
    argv = [sys.executable, "-c", FETCH, word.uri]
    children = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) for _ in range(3)]
    assert [child.communicate(timeout=60)[0] for child in children] == ["hellohellohello\n"] * 3


def test_part_of_a_folder(prefix: str, tmp_path: Path, example: Manifest, scratch: Path) -> None:
    commit(write(tmp_path / "files", {"a/1": b"1", "a/2": b"2", "b": b"3"}), f"{prefix}/x", example)
    folder = open_folder(f"{prefix}/x")
    assert read_back(folder.part("b", "a/2")) == {"b": b"3", "a/2": b"2"}
    assert folder.read("a/1") == b"1" and folder.read("none") is None
    assert read_back(folder.path) == {"a/1": b"1", "a/2": b"2", "b": b"3"}


# Stages


def test_manifests_are_the_same_bytes_as_on_a_file_system(prefix: str, tmp_path: Path) -> None:
    def chain(workspace: str) -> list[bytes | None]:
        word = run_stage(word_stage(), WordSettings(), {}, workspace).folder
        read = run_stage(READ, WordSettings(), {"text": word.uri, "other": word.uri}, workspace).folder
        return [folder.read(MANIFEST) for folder in (word, read)]

    there, here = chain(f"{prefix}/ws/"), chain(str(tmp_path / "ws"))
    assert there == here and None not in there


def test_what_is_found_is_not_downloaded(prefix: str, scratch: Path) -> None:
    workspace = f"{prefix}/ws"
    word = run_stage(word_stage(), WordSettings(), {}, workspace).folder
    read = run_stage(READ, WordSettings(), {"text": word.uri}, workspace).folder
    for kept in list((scratch / "fetched").rglob("word.txt")):
        kept.unlink()
    assert run_stage(READ, WordSettings(), {"text": word.uri}, workspace).cached
    assert [link.folder.uri for link in walk(read.uri)] == [read.uri, word.uri]
    assert verify(read.uri) == 1
    assert list(scratch.rglob("word.txt")) == []


def test_what_varies_lies_beside_the_manifest(word: Folder) -> None:
    assert b'"speed": 3.5' in (word.read(RUN) or b"")
    assert RUN not in [file.path for file in word.manifest.files]


def test_shared_work_outlives_an_attempt_and_ends_with_the_commit(prefix: str) -> None:
    seen: list[bytes | None] = []

    def work(settings: WordSettings, inputs: Inputs, place: Place) -> Outcome:
        mark = join(place.shared, "checkpoint", "1")
        seen.append(STORE.read(mark))
        STORE.write(mark, b"step 1")
        if len(seen) == 1:
            raise InputError("not yet")
        return Outcome()

    workspace = f"{prefix}/ws"
    with pytest.raises(InputError, match="not yet"):
        run_stage(word_stage(work), WordSettings(), {}, workspace)
    [hidden] = STORE.list(f"{workspace}/word")
    assert hidden.startswith(".")
    result = run_stage(word_stage(work), WordSettings(), {}, workspace)
    assert seen == [None, b"step 1"]
    assert STORE.list(f"{workspace}/word") == [hidden.removeprefix(".")] == [result.folder.manifest.fingerprint]
