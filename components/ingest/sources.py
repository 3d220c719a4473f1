"""What there is to ingest: the pictures of a folder, the rows of tables; sorted, each with its key."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from platen.components.ingest.names import encodable, fault
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.tables import ACCEPTED, Entry, read_entries
from platen.core.errors import InputError, SettingsError
from platen.core.manifest import sha256

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
ORIGINS = ("folder", "table", "urls")
FOLDER_ACCEPTED = (
    f"a folder of images ({' '.join(PICTURES)}) and their captions beside them "
    f"(same name, .txt or .json) or in {', '.join(METADATA)}"
)


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to ingest.

    Attributes:
        key: The sample's key: the first 16 hexadecimal digits of the SHA-256 of its name; of more than that where
            another picture has the name.
        name: Path below the folder that it lies in, or URL.
        origin: Which setting named it.
        path: Of the file; None for one to fetch.
        root: The folder that the file must lie in.
        caption, licence: As a table says; None where it does not.
        refused: Reason and detail for which it is left out, where that is known beforehand.
        repeats: Key of the source that is the same picture and is taken in its place.
    """

    key: str
    name: str
    origin: str
    path: Path | None = None
    root: Path | None = None
    caption: str | None = None
    licence: str | None = None
    refused: tuple[str, str] | None = None
    repeats: str | None = None


def list_sources(
    settings: IngestSettings, more: Sequence[Source] = (), copies: Mapping[str, str] | None = None
) -> list[Source]:
    """All sources, in the order of their keys; each picture once, and its repeats after it as duplicate_source.

    Args:
        settings: Which folder and tables; local ones.
        more: Sources that were found elsewhere.
        copies: By its path, what a folder is a copy of: two copies of one thing are that thing.

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
    originals = {os.path.realpath(copy): original for copy, original in (copies or {}).items()}
    return _each_once(found, originals)


def refused_source(name: str, origin: str, detail: str) -> Source:
    """A picture whose name leads nowhere."""
    return _source(name, origin, refused=("path_refused", encodable(detail)))


def is_readable(source: Source) -> bool:
    """Whether there is a file that may be read: no device or pipe, no missing one, none out of the folder."""
    if source.path is None or source.refused:
        return False
    try:
        return source.path.is_file() and os.access(source.path, os.R_OK)
    except OSError:  # a path that is too long as a whole
        return False


def leaves(root: Path, path: Path) -> bool:
    """Whether a path leads out of a folder, by dots or by a symbolic link."""
    return not Path(os.path.realpath(path)).is_relative_to(root)  # unlike resolve() it bears links in a circle


def _source(name: str, origin: str, **more: object) -> Source:
    told = encodable(name)
    return Source(_key(told), told, origin, **more)  # type: ignore[arg-type]


def _key(text: str) -> str:
    return sha256(text.encode())[:16]


def _in_folder(folder: Path) -> list[Source]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    root = folder.resolve()
    files = list(_walk(root))
    if not files:
        raise InputError(f"{folder}: an empty folder. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    if not pictures:
        raise InputError(f"{folder}: no image among {len(files)} files. Accepted in ingest.folder: {FOLDER_ACCEPTED}")
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
    why = fault(name) or ("leads out of the folder" if leaves(root, path) else None)
    refused = ("path_refused", f"{encodable(name)} {why}") if why else None
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
        refused = None if encodable(entry.url) == entry.url else ("address_refused", "not a URL: is not Unicode text")
        return _source(entry.url, origin, caption=entry.caption, licence=entry.licence, refused=refused)
    if origin == "urls" or entry.path is None:
        raise InputError(
            f"{entry.where}: no URL. Accepted in ingest.urls: a table with the columns url, caption, licence"
        )
    why = fault(entry.path)
    if why:
        return refused_source(entry.path, origin, f"{entry.path} {why}")
    path = Path(os.path.normpath(root / entry.path))
    if root in path.parents:
        return _of_file(origin, root, path, entry)
    return refused_source(entry.path, origin, f"{entry.path} is not below the table's folder")


def _each_once(found: Sequence[Source], originals: Mapping[str, str]) -> list[Source]:
    """One source of each picture, under a key of its own, and after it its repeats."""
    resolved = functools.cache(os.path.realpath)  # many pictures have a folder in common
    groups: dict[tuple[str, ...], list[Source]] = defaultdict(list)
    for source in sorted(found, key=_rank):
        groups[_identity(source, originals, resolved)].append(source)
    taken: dict[str, list[Source]] = {}
    for identity, group in groups.items():
        first, *others = sorted(group, key=lambda source: source.refused is not None)
        first = _filled(first, others)
        if first.key in taken:  # another picture has the name: not where it lies but what named it tells them apart
            first = replace(first, key=_key("\0".join([first.origin, identity[0], first.name])))
        taken[first.key] = [first, *(_repeat(first.key, *each) for each in enumerate(others))]
    return [source for _, group in sorted(taken.items()) for source in group]


def _rank(source: Source) -> tuple[object, ...]:
    """The order of sources, whatever that of the rows. Of a picture's captions the first that says something counts."""
    told = (not source.caption, source.caption or "", not source.licence, source.licence or "")
    return (ORIGINS.index(source.origin), source.key, *told)


def _identity(source: Source, originals: Mapping[str, str], resolved: Callable[[Path], str]) -> tuple[str, ...]:
    """What two sources of the same picture have in common: the place of a file, or the URL."""
    if source.path is None:
        return ("refused", source.origin, source.name) if source.refused else ("url", source.name)
    original = originals.get(str(source.root))
    if original is not None:
        return ("file", f"{original}/{source.name}")
    return ("file", resolved(source.path.parent), source.path.name)  # a link to a picture is one of its own


def _filled(first: Source, others: Sequence[Source]) -> Source:
    """The first with the caption and the licence of the others, where it has none."""
    all_of_it = [first, *others]
    caption, licence = _best([each.caption for each in all_of_it]), _best([each.licence for each in all_of_it])
    return replace(first, caption=caption, licence=licence)


def _best(texts: Sequence[str | None]) -> str | None:
    """The first text that says something, else an empty one, else None."""
    return next(filter(None, texts), next((text for text in texts if text is not None), None))


def _repeat(key: str, number: int, source: Source) -> Source:
    """A source as a repeat, under a key of its own: drops are told apart by it, and it must not be the picture's."""
    own = "\0".join([key, source.origin, source.name, str(number)])
    return replace(source, key=_key(own), repeats=key, refused=("duplicate_source", "listed more than once"))
