"""Where committed folders lie: a local path, or a bucket.

A store knows nothing of stages. Its one promise is the commit: a folder is seen whole, with its manifest, or not at
all, and the first commit of a name wins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from platen.errors import InputError, StorageError
from platen.manifest import MANIFEST, Manifest


class Store(Protocol):
    """What a place to keep folders must do. URIs are whole: `/data/ws/ingest/ab12` or `gs://bucket/ws/ingest/ab12`."""

    def read(self, uri: str) -> bytes | None:
        """The bytes of an object, or None where there is none."""

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object at once: a reader sees the old bytes or the new."""

    def list(self, uri: str) -> list[str]:
        """The names directly below a folder, sorted."""

    def commit(self, folder: Path, uri: str, manifest: Manifest) -> bool:
        """Make a local folder appear at `uri` with its manifest; False where another commit was first."""

    def fetch(self, uri: str, manifest: Manifest) -> Path:
        """A local folder with the files of a committed one."""


class LocalStore:
    """Folders on a file system; a commit is a rename within it."""

    def read(self, uri: str) -> bytes | None:
        """The bytes of a file, or None where there is none."""
        try:
            return Path(uri).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, uri: str, data: bytes) -> None:
        """Write beside, then rename over."""
        with saving(uri):
            write_file(Path(uri), data)

    def list(self, uri: str) -> list[str]:
        """The names in a folder, sorted; none where there is no folder."""
        path = Path(uri)
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def commit(self, folder: Path, uri: str, manifest: Manifest) -> bool:
        """Manifest into the folder, then one rename."""
        target = Path(uri)
        with saving(uri):
            write_file(folder / MANIFEST, manifest.encode())
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() and not (target / MANIFEST).exists():
                shutil.rmtree(target)  # somebody took the manifest away: it no longer counts as committed
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return False
        return True

    def fetch(self, uri: str, manifest: Manifest) -> Path:
        """The folder itself: it is local already."""
        return Path(uri)


def store_for(uri: str) -> Store:
    """The store that a URI belongs to. Raises InputError for a scheme that is not known."""
    scheme, found, _ = uri.partition("://")
    if not found:
        return LocalStore()
    raise InputError(f"{uri}: no store for {scheme}://. Accepted: a local path")


def join(uri: str, *parts: str) -> str:
    """A URI below another."""
    return "/".join([uri.rstrip("/"), *parts])


def write_file(path: Path, data: bytes) -> None:
    """Write beside, sync, then rename: the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def saving(what: str) -> Iterator[None]:
    """Turn the file system's refusals into a StorageError that names the place and the way out."""
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: "no space left; free some, or set another workspace",
            errno.EDQUOT: "the disk quota is used up; free some, or set another workspace",
            errno.EFBIG: "larger than a file may be here; raise the limit (ulimit -f), or set another workspace",
            errno.EACCES: "no permission to write",
            errno.EROFS: "the file system is read-only",
        }.get(error.errno or 0)
        if hint is None:
            raise
        raise StorageError(f"{error.filename or what}: {hint}") from error
