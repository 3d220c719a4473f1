"""Folders in a bucket of Google Cloud Storage: the manifest is uploaded last, and only where there is none yet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from platen.core.errors import CorruptError, InputError, StorageError
from platen.core.manifest import MANIFEST, RUN, Manifest, check_files
from platen.core.storage.client import (
    blob_at,
    bucket_of,
    client,
    or_absent,
    prefix_of,
    retry,
    sent,
    split_uri,
    target_at,
    worded,
)
from platen.core.storage.local import beside, saving, write_file
from platen.core.storage.store import join, scratch
from platen.core.storage.transfer import (
    Object,
    alone,
    checksum,
    delete,
    download,
    each,
    files_below,
    has,
    hash_object,
    is_whole,
    move,
    upload,
    usable_names,
)
from platen.core.telemetry import progress

ROUNDS = 5  # looks at a folder that another process is writing too


class GcsStore:
    """Folders in buckets; a commit is the creation of the manifest. Credentials are the environment's own."""

    def read(self, uri: str) -> bytes | None:
        """The bytes of an object, or None where there is none. Raises InputError where there is no such bucket."""
        with worded(uri):
            data: bytes | None = or_absent(uri, lambda: blob_at(uri).download_as_bytes(retry=retry()))
            return data

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object."""
        with worded(uri):
            blob_at(uri).upload_from_string(data, "application/octet-stream", **sent())

    def exists(self, uri: str) -> bool:
        """Say whether there is an object of this name, or one below it. Raises InputError where there is no bucket.

        The object is asked for first: who may read it need not have the right to list the bucket.
        """
        _, name = split_uri(uri)
        with worded(uri):
            if name and blob_at(uri).exists(retry=retry()):
                return True
            below = client().list_blobs(bucket_of(uri), prefix=prefix_of(uri), max_results=1, retry=retry())
            return any(True for _ in below)

    def list(self, uri: str) -> list[str]:
        """The names below a prefix up to the next slash, sorted."""
        prefix = prefix_of(uri)
        with worded(uri):
            found = client().list_blobs(bucket_of(uri), prefix=prefix, delimiter="/", retry=retry())
            names = {blob.name for blob in found} | {folder.rstrip("/") for folder in found.prefixes}
        return sorted({name.removeprefix(prefix) for name in names} - {""})

    def put(self, path: Path, uri: str) -> None:
        """Upload a file."""
        with worded(uri):
            target_at(uri).upload_from_filename(str(path), **sent())

    def get(self, uri: str, path: Path) -> None:
        """Download an object beside the file, then rename. Raises InputError where there is none."""
        with worded(uri), saving(str(path), "folder"), beside(path) as unfinished:
            download = partial(blob_at(uri).download_to_filename, str(unfinished), **sent())
            if or_absent(uri, lambda: (download(), True)) is None:
                raise InputError(f"{uri}: no such object")

    def remove(self, uri: str) -> None:
        """Delete an object and all below it."""
        with worded(uri):
            itself = blob_at(uri)
            below = client().list_blobs(bucket_of(uri), prefix=prefix_of(uri), retry=retry())
            for _ in each(delete, [itself, *below]):
                pass

    def objects(self, uri: str) -> dict[str, Object]:
        """Every object below a prefix, by its name below it; names that end in a slash stand for folders: left out."""
        prefix = prefix_of(uri)
        with worded(uri):
            found = client().list_blobs(bucket_of(uri), prefix=prefix, retry=retry())
            return {
                blob.name.removeprefix(prefix): Object(blob.size, blob.crc32c, blob.generation)
                for blob in found
                if not blob.name.endswith("/")
            }

    def commit(self, folder: Path, uri: str, manifest: Manifest) -> bool:
        """Upload all files, look that the bucket holds these very bytes, then create the manifest.

        Objects that a killed attempt left are replaced, or kept where they are the same. Where two processes commit at
        once and their bytes differ, the later one writes over nothing that it has not seen, and looks again.
        """
        with worded(uri):
            wanted = {name: checksum(folder / name) for name in _names(folder)}
            for _ in range(ROUNDS):
                there = self.objects(uri)
                if MANIFEST in there:
                    return False
                upload(folder, uri, [name for name, crc in wanted.items() if not _is(there, name, crc)], there)
                there = self.objects(uri)
                if all(_is(there, name, crc) for name, crc in wanted.items()):
                    return _create_manifest(folder, uri, manifest)
                time.sleep(1)
        raise StorageError(f"{uri}: another process keeps writing different bytes there; stop one of the two")

    def fetch(self, uri: str, manifest: Manifest, only: Sequence[str] = ("*",)) -> Path:
        """Verified copies below PLATEN_SCRATCH; those that are there already are hashed, and replaced if they broke."""
        entry = scratch() / "fetched" / manifest.digest
        files = [file for file in manifest.files if any(fnmatchcase(file.path, pattern) for pattern in only)]
        with saving(str(entry), "PLATEN_SCRATCH"), alone(entry) as unfinished:
            missing = [file for file in files if not is_whole(entry, file)]
            with worded(uri):
                download(uri, [file.path for file in missing], unfinished)
            check_files(unfinished, missing, uri)
            for file in missing:
                move(unfinished / file.path, entry / file.path)
            if not (entry / MANIFEST).exists():
                write_file(entry / MANIFEST, manifest.encode())
        return entry

    def verify(self, uri: str, manifest: Manifest) -> None:
        """Hash what lies in the bucket, whatever was fetched before."""
        with worded(uri), progress("verifying", len(manifest.files), "files") as advance:
            for file, (size, digest) in each(partial(hash_object, uri), manifest.files):
                if (size, digest) != (file.size, file.sha256):
                    found = f"{size} bytes with SHA-256 {digest}"
                    raise CorruptError(f"{uri}/{file.path}: {found}; the manifest says {file.size} and {file.sha256}")
                advance(1)

    def mirror(self, uri: str, objects: Mapping[str, Object], folder: Path) -> None:
        """Have a local folder hold these objects and no other file; those that it holds already stay.

        Raises InputError for a name that is no path below the folder, or an object that was replaced meanwhile.
        """
        refused = next(iter(objects.keys() - usable_names(objects)), None)
        if refused is not None:
            raise InputError(f"{uri}: the object {refused!r} has a name that cannot be a file name")
        with saving(str(folder), "PLATEN_SCRATCH"), alone(folder) as unfinished:
            missing = [name for name, there in objects.items() if not has(folder / name, there)]
            with worded(uri):
                download(uri, missing, unfinished)
            for name in missing:
                if not has(unfinished / name, objects[name]):
                    raise InputError(f"{uri}/{name}: was replaced while it was read; run again")
                move(unfinished / name, folder / name)
            for name in set(files_below(folder)) - set(objects):
                (folder / name).unlink()


def _names(folder: Path) -> list[str]:
    """The files that a commit is made of."""
    return sorted(name for name in files_below(folder) if name not in (MANIFEST, RUN))


def _is(there: dict[str, Object], name: str, crc32c: str) -> bool:
    return name in there and there[name].crc32c == crc32c


def _create_manifest(folder: Path, uri: str, manifest: Manifest) -> bool:
    from google.api_core.exceptions import PreconditionFailed

    if (folder / RUN).is_file():
        blob_at(join(uri, RUN)).upload_from_filename(str(folder / RUN), **sent())
    try:
        blob_at(join(uri, MANIFEST)).upload_from_string(
            manifest.encode(), "application/json", if_generation_match=0, **sent()
        )
    except PreconditionFailed:
        return False
    return True
