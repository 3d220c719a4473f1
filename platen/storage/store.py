"""What every store does, and which store a URI belongs to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from platen.errors import InputError
from platen.manifest import Manifest, canonical, sha256
from platen.storage.local import LocalStore


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
        from platen.storage.gcs import GcsStore

        return GcsStore()
    raise InputError(f"{uri}: no store for {scheme}://. Accepted: a local path, gs://bucket/path")


def is_local(uri: str) -> bool:
    """Whether a URI is a path of this machine."""
    return isinstance(store_for(uri), LocalStore)


def join(uri: str, *parts: str) -> str:
    """A URI below another."""
    return "/".join([uri.rstrip("/"), *parts])


def scratch() -> Path:
    """The folder for work that is not kept in the store: PLATEN_SCRATCH."""
    return Path(os.environ.get("PLATEN_SCRATCH", "/tmp/platen"))  # noqa: S108


def local_copy(uri: str, skip: Sequence[str] = ()) -> Path:
    """A local folder with what lies below a URI now: that folder, or a copy below PLATEN_SCRATCH brought up to date.

    Args:
        uri: A folder or a prefix that no manifest describes.
        skip: Shell patterns of names that are not needed.
    """
    if is_local(uri):
        return Path(uri)
    from platen.storage.gcs import GcsStore

    told = quote(uri.partition("://")[2], safe="")[-100:]  # so that an error's path says what it was
    copy = scratch() / "copies" / f"{sha256(canonical([uri, list(skip)]))[:12]}-{told}"
    store = GcsStore()
    store.mirror(uri, {name: there for name, there in store.objects(uri).items() if not skipped(name, skip)}, copy)
    return copy


def skipped(name: str, skip: Sequence[str]) -> bool:
    """Whether any part of a name matches one of the shell patterns."""
    return any(fnmatchcase(part, pattern) for part in name.split("/") for pattern in skip)
