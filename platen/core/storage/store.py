"""What every store does, and which store a URI belongs to."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from platen.core.errors import InputError, StorageError
from platen.core.manifest import Manifest, canonical, sha256
from platen.core.storage.local import LocalStore


class Store(Protocol):
    """What a place to keep folders must do. URIs are whole: `/data/ws/ingest/ab12` or `gs://bucket/ws/ingest/ab12`."""

    def read(self, uri: str) -> bytes | None:
        """The bytes of an object, or None where there is none."""

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object at once: a reader sees the old bytes or the new."""

    def list(self, uri: str) -> list[str]:
        """The names directly below a folder, sorted."""

    def put(self, path: Path, uri: str) -> None:
        """Copy a local file to an object; a reader sees the old object or the whole new one."""

    def get(self, uri: str, path: Path) -> None:
        """Copy an object to a local file, which is there whole or not at all. Raises InputError where it is absent."""

    def remove(self, uri: str) -> None:
        """Delete an object and everything below it; nothing where there is none."""

    def commit(self, folder: Path, uri: str, manifest: Manifest) -> bool:
        """Make a local folder appear at `uri` with its manifest; False where another commit was first."""

    def fetch(self, uri: str, manifest: Manifest, only: Sequence[str] = ("*",)) -> Path:
        """A local folder with the files of a committed one; what has to be downloaded is checked as it arrives.

        Only files that match one of the shell patterns need be there.
        """

    def verify(self, uri: str, manifest: Manifest) -> None:
        """Hash what lies in the store. Raises CorruptError for the first file that is not what the manifest says."""


def store_for(uri: str) -> Store:
    """The store that a URI belongs to. Raises InputError for a scheme that is not known."""
    scheme, found, _ = uri.partition("://")
    if not found:
        return LocalStore()
    if scheme == "gs":
        from platen.core.storage.gcs import GcsStore

        return GcsStore()
    raise InputError(f"{uri}: no store for {scheme}://. Accepted: a local path, gs://bucket/path")


def is_local(uri: str) -> bool:
    """Whether a URI is a path of this machine."""
    return isinstance(store_for(uri), LocalStore)


def join(uri: str, *parts: str) -> str:
    """A URI below another."""
    return "/".join([uri.rstrip("/"), *parts])


def exists(uri: str) -> bool:
    """Say whether there is a file or a folder, an object or anything below a prefix. Nothing is downloaded.

    Raises InputError where there is no such bucket, StorageError where it cannot be asked.
    """
    if is_local(uri):
        return Path(uri).exists()
    from platen.core.storage.gcs import GcsStore

    return GcsStore().exists(uri)


def try_writing(uri: str) -> None:
    """Write, read and delete a small object below a URI. Raises StorageError or InputError where that fails."""
    store, trial, data = store_for(uri), join(uri, f".probe-{uuid.uuid4().hex[:8]}"), b"probe"
    store.write(trial, data)
    found = store.read(trial)
    store.remove(trial)
    if found != data:
        raise StorageError(f"{uri}: what was written there could not be read back")


def scratch() -> Path:
    """The folder for work that is not kept in the store: PLATEN_SCRATCH."""
    return Path(os.environ.get("PLATEN_SCRATCH", "/tmp/platen"))  # noqa: S108


def local_copy(uri: str, only: Collection[str] | None = None) -> Path:
    """A local folder with what lies below a URI now: that folder, or a copy below PLATEN_SCRATCH brought up to date.

    Args:
        uri: A folder or a prefix that no manifest describes.
        only: The names below it that are needed; None for all of them.
    """
    if is_local(uri):
        return Path(uri)
    from platen.core.storage.gcs import GcsStore

    told = quote(uri.partition("://")[2], safe="")[-100:]  # so that an error's path says what it was
    key = [uri, sorted(only)] if only is not None else [uri]
    copy = scratch() / "copies" / f"{sha256(canonical(key))[:12]}-{told}"
    store = GcsStore()
    objects = store.objects(uri)
    store.mirror(uri, {name: there for name, there in objects.items() if only is None or name in only}, copy)
    return copy
