"""Speaking to Google Cloud Storage: one client a process, retries as the library has them, refusals in words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from platen.core.errors import InputError, StorageError

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.storage import Blob, Bucket, Client

EMULATOR = "STORAGE_EMULATOR_HOST"
PATIENCE = 120.0  # seconds for which the library repeats a request that failed in passing
UPLOAD_CHUNK = 16 << 20  # bytes
# The library asks for the bucket's metadata to adorn traces that nobody takes, which needs a right that we do not.
BUCKET_QUESTION = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
PERMISSION = re.compile(r"storage\.\w+\.\w+")
GRANT = "grant roles/storage.objectUser on the bucket to the account that this process runs as"
SIGN_IN = (
    "use workload identity on a cluster, `gcloud auth application-default login` on a laptop, or set "
    f"{EMULATOR} for an emulator"
)


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
        raise InputError(f"gs://{split_uri(uri)[0]}: no such bucket; create it, or correct the name") from None
    except api.Forbidden as error:
        needed = PERMISSION.search(str(error))
        right = f" ({needed.group()})" if needed else ""
        raise StorageError(f"{uri}: no permission{right}; {GRANT}") from None
    except auth.DefaultCredentialsError:
        raise StorageError(f"{uri}: no Google Cloud credentials were found; {SIGN_IN}") from None
    except (api.Unauthorized, auth.GoogleAuthError) as error:
        raise StorageError(f"{uri}: the credentials were refused ({type(error).__name__}); {SIGN_IN}") from None
    except DataCorruption:
        raise StorageError(f"{uri}: its checksum changed in transfer; run the stage again") from None
    except (api.RetryError, api.ServerError, api.TooManyRequests, RequestException) as error:
        raise StorageError(
            f"{uri}: {_service()} cannot be reached ({_cause(error)}); run the stage again once it can"
        ) from None
    except api.GoogleAPICallError as error:
        raise StorageError(f"{uri}: refused with HTTP status {error.code} ({type(error).__name__})") from None


def _cause(error: Exception) -> str:
    """What a request that was repeated in vain came to at last: its HTTP status, or the class of the error."""
    last = getattr(error, "cause", None) or error
    status = getattr(getattr(last, "response", None), "status_code", None)
    return f"HTTP status {status}" if status else type(last).__name__


def _service() -> str:
    return f"the emulator at {os.environ[EMULATOR]}" if os.environ.get(EMULATOR) else "Google Cloud Storage"


def client() -> Client:
    """The client of this process, for the emulator where its variable is set."""
    return _client_of(os.getpid(), os.environ.get(EMULATOR, ""))


@cache
def _client_of(process: int, emulator: str) -> Client:
    """One client a process: connections do not survive a fork. The emulator's address may come without http://."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    os.environ.setdefault(BUCKET_QUESTION, "true")
    if not emulator:
        return storage.Client(project=None)
    address = emulator if "://" in emulator else f"http://{emulator}"
    options = {"api_endpoint": address.rstrip("/")}
    return storage.Client(project=None, credentials=AnonymousCredentials(), client_options=options)


def retry() -> Retry:
    """What the library repeats, for PATIENCE seconds."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    policy: Retry = DEFAULT_RETRY.with_timeout(PATIENCE)
    return policy


def sent() -> dict[str, Any]:
    """How objects are sent, both ways: with their checksum, and again where it failed in passing."""
    return {"checksum": "crc32c", "retry": retry()}


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and name of a URI. Raises InputError where it has no bucket."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not BUCKET.fullmatch(bucket):
        raise InputError(f"{uri}: names no bucket. Accepted: gs://bucket/path, the bucket of a-z 0-9 . _ -")
    return bucket, name.rstrip("/")


def prefix_of(uri: str) -> str:
    """What the names of all objects below a URI begin with."""
    name = split_uri(uri)[1]
    return f"{name}/" if name else ""


def bucket_of(uri: str) -> Bucket:
    """The bucket of a URI; nothing is asked of the service."""
    return client().bucket(split_uri(uri)[0])


def blob_at(uri: str) -> Blob:
    """The object of a URI; nothing is asked of the service. Raises InputError for a bucket alone."""
    bucket, name = split_uri(uri)
    if not name:
        raise InputError(f"{uri}: names a bucket and nothing in it. Accepted: gs://bucket/path")
    return client().bucket(bucket).blob(name)


def target_at(uri: str) -> Blob:
    """Like blob_at, for an upload: a long file goes in chunks, and several at the same time must fit in memory."""
    blob = blob_at(uri)
    blob.chunk_size = UPLOAD_CHUNK  # the library's own is 100 MiB
    return blob


def or_absent(uri: str, ask: Callable[[], Any]) -> Any:
    """The answer, or None where the object is absent; where it is the bucket, NotFound stays NotFound."""
    from google.api_core.exceptions import NotFound

    try:
        return ask()
    except NotFound:
        _look_for_bucket(split_uri(uri)[0], os.getpid())
        return None


@cache
def _look_for_bucket(bucket: str, process: int) -> None:
    """Raise NotFound for a bucket that is not there; asked once a process, as it needs no right but to list."""
    list(client().list_blobs(bucket, max_results=1, retry=retry()))
