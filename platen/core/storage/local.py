"""Folders on a file system, and the writing of files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from platen.core.errors import InputError, StorageError
from platen.core.manifest import MANIFEST, Manifest, check_files


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

    def put(self, path: Path, uri: str) -> None:
        """Copy beside, then rename over."""
        with saving(uri):
            copy_file(path, Path(uri))

    def get(self, uri: str, path: Path) -> None:
        """Copy beside, then rename over. Raises InputError where there is no such file."""
        if not Path(uri).is_file():
            raise InputError(f"{uri}: no such file")
        with saving(str(path)):
            copy_file(Path(uri), path)

    def remove(self, uri: str) -> None:
        """Delete a file, or a folder with all that is in it."""
        path = Path(uri)
        with saving(uri):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

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

    def fetch(self, uri: str, manifest: Manifest, only: Sequence[str] = ("*",)) -> Path:
        """The folder itself: it is local already."""
        return Path(uri)

    def verify(self, uri: str, manifest: Manifest) -> None:
        """Hash every file. Raises CorruptError for the first that is not what the manifest says."""
        check_files(Path(uri), manifest.files, uri)


def write_file(path: Path, data: bytes) -> None:
    """Write beside, sync, then rename: the file is there whole or not at all."""
    with beside(path) as unfinished, unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source: Path, path: Path) -> None:
    """Copy beside, sync, then rename: the copy is there whole or not at all."""
    with beside(path) as unfinished, source.open("rb") as read, unfinished.open("wb") as file:
        shutil.copyfileobj(read, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A name next to a file, for writing it; renamed over the file at the end, deleted where that is not reached."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield unfinished
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def saving(what: str, other: str = "workspace") -> Iterator[None]:
    """Turn the file system's refusals into a StorageError that names the place and the way out.

    Args:
        what: The place, where the error names none.
        other: What the user would set to have the files lie elsewhere.
    """
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: f"no space left; free some, or set another {other}",
            errno.EDQUOT: f"the disk quota is used up; free some, or set another {other}",
            errno.EFBIG: f"larger than a file may be here; raise the limit (ulimit -f), or set another {other}",
            errno.EACCES: "no permission to write",
            errno.EROFS: "the file system is read-only",
        }.get(error.errno or 0)
        if hint is None:
            raise
        raise StorageError(f"{error.filename or what}: {hint}") from error
