"""Files on their way to and from a bucket, many at the same time, with their checksums."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from platen.core.errors import CorruptError
from platen.core.manifest import File, check_files
from platen.core.storage.client import blob_at, retry, sent, target_at
from platen.core.storage.store import join
from platen.core.telemetry import progress

if TYPE_CHECKING:
    from google.cloud.storage import Blob

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8  # files on their way at the same time
CHUNK = 8 << 20  # bytes that are hashed at once, for each of them
BATCH = 64  # files between two steps of the progress


@dataclass(frozen=True)
class Object:
    """What the bucket knows of an object: its size in bytes, its CRC32C in base64, its generation."""

    size: int
    crc32c: str
    generation: int


def checksum(path: Path) -> str:
    """CRC32C of a file as the bucket tells it, in base64."""
    from google_crc32c import Checksum

    found = Checksum()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return base64.b64encode(found.digest()).decode()


def usable_names(names: Iterable[str]) -> set[str]:
    """Those names of objects that can be files below one folder, all at once."""
    paths = {name for name in names if _is_path(name)}
    folders = {parent for name in paths for parent in _parents(name)}
    return paths - folders


def _is_path(name: str) -> bool:
    parts = name.split("/")
    return "\0" not in name and all(part not in ("", ".", "..") and len(part.encode()) <= 255 for part in parts)


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def upload(folder: Path, uri: str, names: Sequence[str], there: dict[str, Object]) -> None:
    """Upload files, each only over the generation that was seen; one that another process wrote since is left alone."""
    from google.cloud.storage import transfer_manager

    new = [(str(folder / name), target_at(join(uri, name))) for name in names if name not in there]
    with progress("uploading", len(names), "files") as advance:
        for batch in batches(new):
            transfer_manager.upload_many(
                batch,
                skip_if_exists=True,
                upload_kwargs=sent(),
                worker_type=transfer_manager.THREAD,
                max_workers=THREADS,
                raise_exception=True,
            )
            advance(len(batch))
        for name in names:
            if name in there:
                _replace(folder / name, join(uri, name), there[name].generation)
                advance(1)


def _replace(path: Path, uri: str, generation: int) -> None:
    from google.api_core.exceptions import PreconditionFailed

    with suppress(PreconditionFailed):
        target_at(uri).upload_from_filename(str(path), if_generation_match=generation, **sent())


def download(uri: str, names: Sequence[str], folder: Path) -> None:
    """Download objects below a prefix. Raises CorruptError for one that is not there."""
    from google.api_core.exceptions import NotFound
    from google.cloud.storage import transfer_manager

    for parent in {(folder / name).parent for name in names}:
        parent.mkdir(parents=True, exist_ok=True)
    with progress("downloading", len(names), "files") as advance:
        for batch in batches(names):
            told = transfer_manager.download_many(
                [(blob_at(join(uri, name)), str(folder / name)) for name in batch],
                download_kwargs=sent(),
                worker_type=transfer_manager.THREAD,
                max_workers=THREADS,
            )
            for name, answer in zip(batch, told, strict=True):
                if isinstance(answer, NotFound):
                    raise CorruptError(f"{uri}/{name}: missing, though it is listed: a part of it was deleted")
                if isinstance(answer, BaseException):
                    raise answer
            advance(len(batch))


def hash_object(uri: str, file: File) -> tuple[int, str]:
    """Size and SHA-256 of an object, as it comes. Raises CorruptError where there is none."""
    from google.api_core.exceptions import NotFound

    digest, size = hashlib.sha256(), 0
    try:
        with blob_at(join(uri, file.path)).open("rb", chunk_size=CHUNK, retry=retry()) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except NotFound:
        raise CorruptError(f"{uri}/{file.path}: missing; the manifest lists {file.size} bytes") from None
    return size, digest.hexdigest()


def delete(blob: Blob) -> None:
    """Delete an object; no error where it is gone."""
    from google.api_core.exceptions import NotFound

    with suppress(NotFound):
        blob.delete(retry=retry())


def is_whole(folder: Path, file: File) -> bool:
    """Whether a folder has a file as its manifest describes it."""
    try:
        check_files(folder, [file], str(folder))
    except CorruptError:
        return False
    return True


def files_below(folder: Path) -> Iterator[str]:
    """The files below a folder, by their path in it."""
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def has(path: Path, there: Object) -> bool:
    """Whether a file is a copy of an object."""
    return path.is_file() and path.stat().st_size == there.size and checksum(path) == there.crc32c


def move(source: Path, target: Path) -> None:
    """Rename within a file system, into a folder that may be new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


@contextmanager
def alone(entry: Path) -> Iterator[Path]:
    """Where to download to before a file is moved to `entry`; processes of one machine take turns."""
    unfinished = entry.with_name(f".{entry.name}")
    entry.parent.mkdir(parents=True, exist_ok=True)
    with entry.with_name(f".{entry.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def each(act: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
    """Each item with what came of it, a few at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        yield from zip(items, pool.map(act, items), strict=True)


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items, BATCH at a time."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
