"""Sources that lie in a bucket: what counts of them, for the fingerprint, and a local copy to be read like any other.

An object's name is as little to be trusted as a path in a table: one that no file below a folder can have is refused.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from platen.components.ingest.captions import CAPTION_BYTES
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.sources import FOLDER_ACCEPTED, METADATA, ORIGINS, PICTURES, Source, refused_source
from platen.components.ingest.tables import read_entries
from platen.core.errors import InputError
from platen.core.manifest import Json, canonical, sha256
from platen.core.storage import is_local, join, scratch

if TYPE_CHECKING:
    from platen.core.storage.transfer import Object

BESIDE = (".txt", ".json")  # captions that lie beside a picture


@dataclass(frozen=True, slots=True)
class Remote:
    """What a setting names in a bucket.

    Attributes:
        origin: The setting.
        uri: What it says.
        prefix: What the objects lie below.
        objects: Those that count, by their name below it: pictures, what lies beside them, tables.
    """

    origin: str
    uri: str
    prefix: str
    objects: Mapping[str, Object]

    @property
    def digest(self) -> str:
        """A digest of names, sizes and checksums: nothing is downloaded for it but tables."""
        entries = [[name, there.size, there.crc32c] for name, there in sorted(self.objects.items())]
        return sha256(canonical(entries))


def in_buckets(settings: IngestSettings) -> list[Remote]:
    """The sources that lie in buckets, as they are now."""
    given = ((origin, getattr(settings, origin)) for origin in ORIGINS)
    return [look(origin, uri) for origin, uri in given if uri is not None and not is_local(uri)]


def look(origin: str, uri: str) -> Remote:
    """What counts of a folder, or of a table and the pictures that it names. Raises InputError where it is nothing."""
    from platen.core.storage.gcs import GcsStore

    prefix = uri.rstrip("/") if origin == "folder" else uri.rpartition("/")[0]
    wanted = None if origin == "folder" else named_in(uri)
    objects = GcsStore().objects(prefix)
    names = with_captions(objects) if wanted is None else wanted.intersection(objects)
    if not names:
        raise InputError(f"{uri}: no image among {len(objects)} objects. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    return Remote(origin, uri, prefix, {name: objects[name] for name in names})


def with_captions(names: Iterable[str]) -> set[str]:
    """Of all objects below a folder the pictures and what may say something of them; none where no picture is."""
    seen = {name for name in names if not any(part.startswith(".") and part.strip(".") for part in name.split("/"))}
    pictures = {name for name in seen if PurePosixPath(name).suffix.lower() in PICTURES}
    tables = {name for name in seen if PurePosixPath(name).name in METADATA}
    return pictures | tables | seen.intersection(captions_of(pictures)) if pictures else set()


def named_in(table: str) -> set[str]:
    """A table, and the pictures below its folder that it names, with what lies beside them."""
    from platen.core.storage.gcs import GcsStore

    prefix, _, name = table.rpartition("/")
    scratch().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="table-", dir=scratch()) as folder, told_as({folder: prefix}):
        GcsStore().get(table, Path(folder, name))
        rows = [entry.path for entry in read_entries(Path(folder, name)) if entry.path and not entry.url]
    pictures = {os.path.normpath(path) for path in rows}
    return {name, *pictures, *captions_of(pictures)}


def captions_of(pictures: Iterable[str]) -> Iterator[str]:
    """The names that captions beside these pictures have."""
    for picture in pictures:
        yield from (picture.removesuffix(PurePosixPath(picture).suffix) + suffix for suffix in BESIDE)


@contextmanager
def brought(
    settings: IngestSettings, known: Mapping[str, Json], folder: Path
) -> Iterator[tuple[IngestSettings, list[Source], Mapping[str, str]]]:
    """The settings with local copies in the place of what lies in buckets, and the sources that are refused by name.

    And by its path, what each folder of copies is a copy of.

    Errors name the bucket, not the copy. Raises InputError where a source is not what its digest says any more.
    """
    here: dict[str, str] = {}
    refused: list[Source] = []
    copies: dict[str, str] = {}
    for remote in in_buckets(settings):
        if remote.digest != known[remote.origin]:
            raise InputError(f"{remote.uri}: changed while it was read; run again")
        refused += bring(remote, folder / remote.origin, settings.max_bytes)
        copies[str(folder / remote.origin)] = remote.prefix
        here[remote.origin] = str(folder / remote.origin) + remote.uri.removeprefix(remote.prefix).rstrip("/")
    with told_as(copies):
        yield settings.model_copy(update=here), refused, copies


def bring(remote: Remote, folder: Path, most: int) -> list[Source]:
    """Copy what counts into a folder; the pictures whose names cannot be there.

    An object that is too large is not copied: an empty file of its length stands for it, so that it is refused as one.
    """
    from platen.core.storage.gcs import GcsStore
    from platen.core.storage.transfer import usable_names

    usable = usable_names(remote.objects)
    large = {name for name in usable if remote.objects[name].size > _most(name, most)}
    if remote.origin != "folder":
        large.discard(remote.uri.rpartition("/")[2])
    GcsStore().mirror(remote.prefix, {name: remote.objects[name] for name in usable - large}, folder)
    for name in large:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
        os.truncate(folder / name, remote.objects[name].size)
    unusable = sorted(remote.objects.keys() - usable)
    pictures = [name for name in unusable if PurePosixPath(name).suffix.lower() in PICTURES]
    return [refused_source(name, remote.origin, f"{join(remote.prefix, name)} cannot be a file") for name in pictures]


def _most(name: str, picture: int) -> float:
    """How large an object may be to be copied: a caption's cap is not that of pictures, and tables have none."""
    if PurePosixPath(name).name in METADATA:
        return math.inf
    return CAPTION_BYTES if PurePosixPath(name).suffix in BESIDE else picture


@contextmanager
def told_as(copies: Mapping[str, str]) -> Iterator[None]:
    """Have errors name the original where they name a copy."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for copy, original in copies.items():
            message = message.replace(copy, original)
        raise type(error)(message) from None
