"""Folders in a bucket of Google Cloud Storage: the manifest is uploaded last, and only where there is none yet."""

from __future__ import annotations

import base64
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.errors import CorruptError, InputError, StorageError
from platen.manifest import MANIFEST, RUN, Manifest, check_files
from platen.storage.local import beside, saving, write_file
from platen.storage.store import join, scratch
from platen.telemetry import progress

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.storage import Blob, Bucket, Client

EMULATOR = "STORAGE_EMULATOR_HOST"
PATIENCE = 120.0  # seconds for which the library repeats a request that failed in passing
THREADS = 8  # files on their way at the same time
BATCH = 64  # files between two steps of the progress
ROUNDS = 5  # looks at a folder that another process is writing too
PERMISSION = re.compile(r"storage\.\w+\.\w+")


@dataclass(frozen=True)
class Object:
    """What the bucket knows of an object: its size in bytes, its CRC32C in base64, its generation."""

    size: int
    crc32c: str
    generation: int


class GcsStore:
    """Folders in buckets; a commit is the creation of the manifest. Credentials are the environment's own."""

    def read(self, uri: str) -> bytes | None:
        """The bytes of an object, or None where there is none. Raises InputError where there is no such bucket."""
        with worded(uri):
            return _or_absent(uri, lambda: bytes(_blob(uri).download_as_bytes(retry=_retry())))

    def write(self, uri: str, data: bytes) -> None:
        """Replace an object."""
        with worded(uri):
            _blob(uri).upload_from_string(data, "application/octet-stream", **_sent())

    def list(self, uri: str) -> list[str]:
        """The names below a prefix up to the next slash, sorted."""
        prefix = _prefix(uri)
        with worded(uri):
            found = _client().list_blobs(_bucket(uri), prefix=prefix, delimiter="/", retry=_retry())
            names = {blob.name for blob in found} | {folder.rstrip("/") for folder in found.prefixes}
        return sorted({name.removeprefix(prefix) for name in names} - {""})

    def put(self, path: Path, uri: str) -> None:
        """Upload a file."""
        with worded(uri):
            _blob(uri).upload_from_filename(str(path), **_sent())

    def get(self, uri: str, path: Path) -> None:
        """Download an object beside the file, then rename. Raises InputError where there is none."""
        with worded(uri), saving(str(path), "folder"), beside(path) as unfinished:
            download = partial(_blob(uri).download_to_filename, str(unfinished), **_sent())
            if _or_absent(uri, lambda: (download(), True)) is None:
                raise InputError(f"{uri}: no such object")

    def remove(self, uri: str) -> None:
        """Delete an object and all below it."""
        with worded(uri):
            found = list(_client().list_blobs(_bucket(uri), prefix=_prefix(uri), retry=_retry()))
            _each(_delete, [_blob(uri), *found])

    def objects(self, uri: str) -> dict[str, Object]:
        """Every object below a prefix, by its name below it; names that end in a slash stand for folders: left out."""
        prefix = _prefix(uri)
        with worded(uri):
            found = _client().list_blobs(_bucket(uri), prefix=prefix, retry=_retry())
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
                _upload(folder, uri, [name for name, crc in wanted.items() if not _is(there, name, crc)], there)
                there = self.objects(uri)
                if all(_is(there, name, crc) for name, crc in wanted.items()):
                    return _create_manifest(folder, uri, manifest)
                time.sleep(1)
        raise StorageError(f"{uri}: another process keeps writing other bytes there; stop one of the two")

    def fetch(self, uri: str, manifest: Manifest) -> Path:
        """A verified copy below PLATEN_SCRATCH; one that is there already is hashed again and mended where it broke."""
        entry = scratch() / "fetched" / manifest.digest
        with saving(str(entry), "PLATEN_SCRATCH"), _alone(entry):
            if not _is_whole(entry, manifest, uri):
                unfinished = entry.with_name(f".{entry.name}")
                for old in (entry, unfinished):
                    shutil.rmtree(old, ignore_errors=True)
                with worded(uri):
                    _download(uri, manifest, unfinished)
                check_files(unfinished, manifest.files, uri)
                write_file(unfinished / MANIFEST, manifest.encode())
                unfinished.rename(entry)
        return entry

    def verify(self, uri: str, manifest: Manifest) -> None:
        """Download afresh and hash, whatever the cache holds. Raises CorruptError for the first file that differs."""
        import tempfile

        scratch().mkdir(parents=True, exist_ok=True)
        with saving(uri, "PLATEN_SCRATCH"), tempfile.TemporaryDirectory(prefix="verify-", dir=scratch()) as folder:
            with worded(uri):
                _download(uri, manifest, Path(folder))
            check_files(Path(folder), manifest.files, uri)


def checksum(path: Path) -> str:
    """CRC32C of a file as the bucket tells it, in base64."""
    from google_crc32c import Checksum

    found = Checksum()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return base64.b64encode(found.digest()).decode()


@contextmanager
def worded(uri: str) -> Iterator[None]:
    """Turn the library's errors into ours: what happened, where, and what to do. None of its texts is passed on."""
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption
    from requests import RequestException

    try:
        yield
    except api.NotFound:
        raise InputError(f"gs://{_split(uri)[0]}: no such bucket; create it, or correct the name") from None
    except api.Forbidden as error:
        needed = PERMISSION.search(str(error))
        right = f" ({needed.group()})" if needed else ""
        raise StorageError(f"{uri}: no permission{right}; {GRANT}") from None
    except auth.DefaultCredentialsError:
        raise StorageError(f"{uri}: no Google Cloud credentials were found; {SIGN_IN}") from None
    except (api.Unauthorized, auth.GoogleAuthError) as error:
        raise StorageError(f"{uri}: the credentials were refused ({type(error).__name__}); {SIGN_IN}") from None
    except DataCorruption:
        raise StorageError(f"{uri}: arrived with another checksum than it was sent with; run the stage again") from None
    except (api.RetryError, api.ServerError, api.TooManyRequests, RequestException) as error:
        cause = type(getattr(error, "cause", None) or error).__name__
        raise StorageError(
            f"{uri}: {_service()} cannot be reached ({cause}); run the stage again once it can"
        ) from None
    except api.GoogleAPICallError as error:
        raise StorageError(f"{uri}: refused with HTTP status {error.code} ({type(error).__name__})") from None


GRANT = "grant roles/storage.objectUser on the bucket to the account that this process runs as"
SIGN_IN = (
    "use workload identity on a cluster, `gcloud auth application-default login` on a laptop, or set "
    f"{EMULATOR} for an emulator"
)


def _service() -> str:
    return f"the emulator at {os.environ[EMULATOR]}" if os.environ.get(EMULATOR) else "Google Cloud Storage"


def _client() -> Client:
    return _client_of(os.getpid(), os.environ.get(EMULATOR, ""))


@cache
def _client_of(process: int, emulator: str) -> Client:
    """One client a process: connections do not survive a fork. The emulator's address may come without http://."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    if not emulator:
        return storage.Client(project=None)
    address = emulator if "://" in emulator else f"http://{emulator}"
    options = {"api_endpoint": address.rstrip("/")}
    return storage.Client(project=None, credentials=AnonymousCredentials(), client_options=options)


def _retry() -> Retry:
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(PATIENCE)


def _sent() -> dict[str, Any]:
    """How objects are sent, both ways: with their checksum, and again where it failed in passing."""
    return {"checksum": "crc32c", "retry": _retry()}


def _split(uri: str) -> tuple[str, str]:
    """Bucket and name of a URI. Raises InputError where it has no bucket."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket:
        raise InputError(f"{uri}: names no bucket. Accepted: gs://bucket/path")
    return bucket, name.rstrip("/")


def _prefix(uri: str) -> str:
    name = _split(uri)[1]
    return f"{name}/" if name else ""


def _bucket(uri: str) -> Bucket:
    return _client().bucket(_split(uri)[0])


def _blob(uri: str) -> Blob:
    bucket, name = _split(uri)
    if not name:
        raise InputError(f"{uri}: names a bucket and nothing in it. Accepted: gs://bucket/path")
    return _client().bucket(bucket).blob(name)


def _or_absent(uri: str, ask: Callable[[], Any]) -> Any:
    """The answer, or None where the object is absent; where it is the bucket, NotFound stays NotFound."""
    from google.api_core.exceptions import NotFound

    try:
        return ask()
    except NotFound:
        _look_for_bucket(_split(uri)[0], os.getpid())
        return None


@cache
def _look_for_bucket(bucket: str, process: int) -> None:
    """Raise NotFound for a bucket that is not there; asked once a process, as it needs no right but to list."""
    list(_client().list_blobs(bucket, max_results=1, retry=_retry()))


def _names(folder: Path) -> list[str]:
    """The files that a commit is made of."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in paths if name not in (MANIFEST, RUN))


def _is(there: dict[str, Object], name: str, crc32c: str) -> bool:
    return name in there and there[name].crc32c == crc32c


def _upload(folder: Path, uri: str, names: Sequence[str], there: dict[str, Object]) -> None:
    """Upload files, each only over the generation that was seen; one that another process wrote since is left alone."""
    from google.cloud.storage import transfer_manager

    new = [(str(folder / name), _blob(join(uri, name))) for name in names if name not in there]
    with progress("uploading", len(names), "files") as advance:
        for batch in _batches(new):
            transfer_manager.upload_many(
                batch,
                skip_if_exists=True,
                upload_kwargs=_sent(),
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
        _blob(uri).upload_from_filename(str(path), if_generation_match=generation, **_sent())


def _create_manifest(folder: Path, uri: str, manifest: Manifest) -> bool:
    from google.api_core.exceptions import PreconditionFailed

    if (folder / RUN).is_file():
        _blob(join(uri, RUN)).upload_from_filename(str(folder / RUN), **_sent())
    try:
        _blob(join(uri, MANIFEST)).upload_from_string(
            manifest.encode(), "application/json", if_generation_match=0, **_sent()
        )
    except PreconditionFailed:
        return False
    return True


def _download(uri: str, manifest: Manifest, folder: Path) -> None:
    """Download the files of a manifest. Raises CorruptError for one that is not there."""
    from google.api_core.exceptions import NotFound
    from google.cloud.storage import transfer_manager

    folder.mkdir(parents=True, exist_ok=True)
    for parent in {(folder / file.path).parent for file in manifest.files}:
        parent.mkdir(parents=True, exist_ok=True)
    with progress("downloading", len(manifest.files), "files") as advance:
        for batch in _batches(manifest.files):
            told = transfer_manager.download_many(
                [(_blob(join(uri, file.path)), str(folder / file.path)) for file in batch],
                download_kwargs=_sent(),
                worker_type=transfer_manager.THREAD,
                max_workers=THREADS,
            )
            for file, answer in zip(batch, told, strict=True):
                if isinstance(answer, NotFound):
                    raise CorruptError(f"{uri}/{file.path}: missing; the manifest lists {file.size} bytes")
                if isinstance(answer, BaseException):
                    raise answer
            advance(len(batch))


def _is_whole(entry: Path, manifest: Manifest, uri: str) -> bool:
    try:
        check_files(entry, manifest.files, uri)
    except CorruptError:
        return False
    return entry.is_dir()


@contextmanager
def _alone(entry: Path) -> Iterator[None]:
    """Several processes of one machine that want the same folder download it once."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with entry.with_name(f".{entry.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _delete(blob: Blob) -> None:
    from google.api_core.exceptions import NotFound

    with suppress(NotFound):
        blob.delete(retry=_retry())


def _each(act: Callable[[Blob], None], blobs: Iterable[Blob]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(act, blobs):
            pass


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
