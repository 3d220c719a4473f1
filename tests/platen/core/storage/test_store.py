from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.errors import InputError
from platen.core.storage import LocalStore, is_local, join, local_copy, scratch, store_for
from platen.core.storage.gcs import GcsStore


@pytest.mark.parametrize("uri", ["s3://bucket/ws", "gopher://x", "://x", "GS://bucket/ws"])
def test_store_of_an_unknown_scheme(uri: str) -> None:
    with pytest.raises(InputError, match=r"no store for .*Accepted: a local path, gs://bucket/path"):
        store_for(uri)


def test_store_of_a_path_and_of_a_bucket() -> None:
    assert isinstance(store_for("/data/ws"), LocalStore) and is_local("ws")
    assert isinstance(store_for("gs://bucket/ws"), GcsStore) and not is_local("gs://bucket/ws")


def test_join() -> None:
    assert join("/ws/", "a", "b") == join("/ws", "a", "b") == "/ws/a/b"
    assert join("gs://bucket/ws", "a") == "gs://bucket/ws/a"


def test_scratch_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEN_SCRATCH", raising=False)
    assert scratch() == Path("/tmp/platen")
    monkeypatch.setenv("PLATEN_SCRATCH", "/fast/disk")
    assert scratch() == Path("/fast/disk")


def test_copy_of_a_prefix_follows_the_bucket(prefix: str, tmp_path: Path) -> None:
    store = store_for(prefix)
    for name in ("a.txt", "deep/b.txt", "deep/c.bin", ".git/config"):
        store.write(f"{prefix}/in/{name}", name.encode())
    copy = local_copy(f"{prefix}/in", ["a.txt", "deep/b.txt"])
    assert {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()} == {"a.txt", "deep/b.txt"}
    store.write(f"{prefix}/in/a.txt", b"new")
    store.remove(f"{prefix}/in/deep/b.txt")
    assert local_copy(f"{prefix}/in", ["a.txt", "deep/b.txt"]) == copy
    assert [path.read_bytes() for path in copy.rglob("*") if path.is_file()] == [b"new"]
    assert local_copy(str(tmp_path)) == tmp_path
