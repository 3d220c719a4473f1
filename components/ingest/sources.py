"""What there is to ingest: the pictures of a folder, the rows of tables; sorted, each with its key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.tables import ACCEPTED, Entry, read_entries
from platen.errors import InputError, SettingsError
from platen.manifest import sha256

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
ORIGINS = ("folder", "table", "urls")
FOLDER_ACCEPTED = (
    f"a folder with pictures ({' '.join(PICTURES)}) and their captions beside them "
    f"(same name, .txt or .json) or in {', '.join(METADATA)}"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to ingest.

    Attributes:
        key: The sample's key: the first 16 hexadecimal digits of the SHA-256 of its name.
        name: Path below the folder that it lies in, or URL.
        origin: Which setting named it.
        path: Of the file; None for one to fetch.
        root: The folder that the file must lie in.
        caption, licence: As a table says; None where it does not.
        refused: Reason and detail for which it is left out, where that is known beforehand.
    """

    key: str
    name: str
    origin: str
    path: Path | None = None
    root: Path | None = None
    caption: str | None = None
    licence: str | None = None
    refused: tuple[str, str] | None = None


def list_sources(settings: IngestSettings, more: Sequence[Source] = ()) -> list[Source]:
    """All sources, in the order of their keys. Of two with one key the second is refused as duplicate_source.

    Args:
        settings: Which folder and tables; local ones.
        more: Sources that were found elsewhere.

    Raises:
        SettingsError: None of folder, table and urls is set.
        InputError: One of them is not there, has no picture in it, or is no such table.
    """
    given = {origin: getattr(settings, origin) for origin in ORIGINS}
    if not any(given.values()):
        raise SettingsError("ingest.folder", "not set, and neither is ingest.table nor ingest.urls", FOLDER_ACCEPTED)
    found = [*more]
    for origin, path in given.items():
        if path is not None:
            found += _in_folder(Path(path)) if origin == "folder" else _in_table(origin, Path(path))
    found.sort(key=lambda source: (source.key, ORIGINS.index(source.origin), source.caption or ""))
    return _without_repeats(found)


def refused_source(name: str, origin: str, detail: str) -> Source:
    """A picture whose name leads nowhere."""
    return _source(name, origin, refused=("path_refused", detail))


def is_readable(source: Source) -> bool:
    """Whether there is a file that may be read: no device or pipe, no missing one, none out of the folder."""
    return source.path is not None and not source.refused and source.path.is_file() and os.access(source.path, os.R_OK)


def leaves(root: Path, path: Path) -> bool:
    """Whether a path leads out of a folder, by dots or by a symbolic link."""
    return not path.resolve().is_relative_to(root)


def _source(name: str, origin: str, **more: object) -> Source:
    return Source(sha256(name.encode(errors="surrogateescape"))[:16], name, origin, **more)  # type: ignore[arg-type]


def _in_folder(folder: Path) -> list[Source]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    root = folder.resolve()
    files = list(_walk(root))
    if not files:
        raise InputError(f"{folder}: an empty folder. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    if not pictures:
        raise InputError(f"{folder}: no picture among {len(files)} files. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    notes = _notes(root, files)
    return [_of_file("folder", root, picture, notes.get(picture)) for picture in pictures]


def _walk(root: Path) -> Iterator[Path]:
    """The files below a folder. Links to folders are not followed; names that begin with a dot are not ours."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if not name.startswith("."))


def _notes(root: Path, files: list[Path]) -> dict[Path, Entry]:
    """What metadata tables in the folder say of its pictures."""
    tables = [file for file in files if file.name in METADATA]
    for table in tables:
        if leaves(root, table):
            raise InputError(f"{table}: a link out of {root}. Accepted: a file in the folder")
    return {table.parent / entry.path: entry for table in sorted(tables) for entry in read_entries(table) if entry.path}


def _of_file(origin: str, root: Path, path: Path, note: Entry | None) -> Source:
    name = path.relative_to(root).as_posix()
    refused = ("path_refused", f"{name} leads out of the folder") if leaves(root, path) else None
    caption, licence = (note.caption, note.licence) if note else (None, None)
    return _source(name, origin, path=path, root=root, caption=caption, licence=licence, refused=refused)


def _in_table(origin: str, table: Path) -> list[Source]:
    root = table.parent.resolve()
    found = [_of_entry(origin, root, entry) for entry in read_entries(table)]
    if not found:
        raise InputError(f"{table}: a table without rows. Accepted: {ACCEPTED}")
    return found


def _of_entry(origin: str, root: Path, entry: Entry) -> Source:
    if entry.url:
        return _source(entry.url, origin, caption=entry.caption, licence=entry.licence)
    if origin == "urls" or entry.path is None:
        raise InputError(
            f"{entry.where}: no URL. Accepted in ingest.urls: a table with the columns url, caption, licence"
        )
    path = Path(os.path.normpath(root / entry.path))
    if path.is_relative_to(root):
        return _of_file(origin, root, path, entry)
    return _source(entry.path, origin, refused=("path_refused", f"{entry.path} is not below the table's folder"))


def _without_repeats(found: list[Source]) -> list[Source]:
    keys: set[str] = set()
    once = []
    for source in found:
        again = source.key in keys
        keys.add(source.key)
        once.append(replace(source, refused=("duplicate_source", "listed more than once")) if again else source)
    return once
