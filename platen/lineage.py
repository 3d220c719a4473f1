"""From a committed folder back to its sources, and the check that all of it still is what was committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from platen.errors import CorruptError
from platen.manifest import check_files
from platen.stage import Folder, open_folder


@dataclass(frozen=True)
class Link:
    """One folder of a lineage: how far from the start, under which name it was read, and what it is."""

    depth: int
    role: str
    folder: Folder


def workspace_of(uri: str) -> str:
    """The workspace that a folder lies in: its path is `<workspace>/<stage>/<fingerprint>`."""
    return uri.rstrip("/").rsplit("/", 2)[0]


def walk(uri: str, role: str = "start", depth: int = 0) -> Iterator[Link]:
    """A folder and everything it was made from, depth first.

    Raises CorruptError where a source is not the one that was read then.
    """
    folder = open_folder(uri)
    yield Link(depth, role, folder)
    for name, source in folder.manifest.inputs.items():
        for link in walk(open_folder(source.uri, workspace_of(uri)).uri, name, depth + 1):
            if link.depth == depth + 1 and link.folder.digest != source.digest:
                raise CorruptError(f"{link.folder.uri}: digest {link.folder.digest}, but {uri} read {source.digest}")
            yield link


def verify(uri: str) -> int:
    """Hash every file of a committed folder again; the number of files. Raises CorruptError for one that differs."""
    folder = open_folder(uri)
    check_files(folder.path, folder.manifest.files, uri)
    return len(folder.manifest.files)
