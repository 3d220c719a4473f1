"""Fetch the files of a model from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from platen.core.errors import InputError, StorageError


def list_files(model: str, revision: str) -> list[str]:
    """Return the names of a model's files. Raises like `hub_errors`."""
    with hub_errors(model, revision):
        return sorted(HfApi().list_repo_files(model, revision=revision))


def fetch_files(model: str, revision: str, names: Collection[str]) -> Path:
    """Return a local folder with some of a model's files. Raises like `hub_errors`."""
    with hub_errors(model, revision):
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(names)))


@contextmanager
def hub_errors(source: str, revision: str) -> Iterator[None]:
    """Raise InputError for what the hub does not have or does not give to this user, StorageError if it fails."""
    try:
        yield
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:  # a gated one is among the first
        raise InputError(
            f"{source}@{revision}: the hub has no such model and revision for you. Accepted: one that you can read, "
            "with HF_TOKEN where it is private or gated"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise StorageError(f"{source}@{revision}: the hub did not give it: {error}") from error
