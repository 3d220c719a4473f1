"""From a committed folder back to its sources, and the check that all of it still is what was committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platen.core.errors import CorruptError
from platen.core.stage import Folder, open_folder
from platen.core.storage import store_for


@dataclass(frozen=True)
class Link:
    """One folder of a lineage: how far from the start, under which name it was read, and what it is."""

    depth: int
    role: str
    folder: Folder


def workspace_of(uri: str) -> str:
    """The workspace that a folder lies in: its path is `<workspace>/<stage>/<fingerprint>`."""
    return uri.rstrip("/").rsplit("/", 2)[0]


def walk(uri: str) -> Iterator[Link]:
    """A folder and everything it was made from, depth first.

    A folder that was read more than once is named each time; what it was made from comes with the first only.
    Raises CorruptError where a source is not the one that was read then.
    """
    yield from _walk(open_folder(uri), "start", 0, set())


def _walk(folder: Folder, role: str, depth: int, seen: set[str]) -> Iterator[Link]:
    yield Link(depth, role, folder)
    if folder.digest in seen:
        return
    seen.add(folder.digest)
    for name, source in folder.manifest.inputs.items():
        found = open_folder(source.uri, workspace_of(folder.uri))
        if found.digest != source.digest:
            raise CorruptError(f"{found.uri}: digest {found.digest}, but {folder.uri} read {source.digest}")
        yield from _walk(found, name, depth + 1, seen)


def verify(uri: str) -> int:
    """Hash every file of a committed folder again; the number of files. Raises CorruptError for one that differs."""
    folder = open_folder(uri)
    store_for(uri).verify(uri, folder.manifest)
    return len(folder.manifest.files)
