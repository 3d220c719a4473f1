"""What a run left behind: the records of its stages and the folders that they committed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platen import records
from platen.errors import CorruptError, InputError, PlatenError
from platen.manifest import RUN
from platen.records import Record
from platen.stage import Folder, open_folder
from platen.storage import join, store_for


@dataclass(frozen=True)
class Evidence:
    """Records in the order of the run, the folders that could be opened, and what could not be read and why."""

    run: str
    records: tuple[Record, ...]
    folders: Mapping[str, Folder]
    notes: tuple[str, ...]

    def facts(self, stage: str) -> Mapping[str, Any]:
        """The facts in a stage's manifest; none where the stage left no folder."""
        folder = self.folders.get(stage)
        return folder.manifest.facts if folder else {}

    def read(self, stage: str, name: str) -> dict[str, Any]:
        """A JSON file of a stage's folder. Raises InputError where it is not there, CorruptError where it is none."""
        folder = self.folders.get(stage)
        if folder is None:
            raise InputError(f"{stage} left no output in this run")
        return _object(folder.read(name), join(folder.uri, name))

    def observed(self, stage: str) -> dict[str, Any]:
        """What a stage's run.json says of how it was made; nothing where there is none."""
        folder = self.folders.get(stage)
        data = folder.read(RUN) if folder else None
        return _object(data, join(folder.uri, RUN)) if folder and data is not None else {}


def gather(run: str, workspace: str) -> Evidence:
    """Read the run folder. What cannot be read becomes a note: the rest of the run is still to be told."""
    folders: dict[str, Folder] = {}
    notes: list[str] = []
    found: tuple[Record, ...] = ()
    try:
        found = tuple(records.load(run))
    except (PlatenError, OSError) as error:
        notes.append(str(error))
    for record in found:
        if record.uri is None or record.digest is None:  # failed, or a plain folder like the sample's
            continue
        try:
            folders[record.name] = open_folder(record.uri, workspace)
        except (PlatenError, OSError) as error:
            notes.append(f"{record.name}: {error}")
    return Evidence(run, found, folders, tuple(notes))


def read_object(uri: str) -> dict[str, Any]:
    """A JSON object from a file or a bucket. Raises InputError where it is absent, CorruptError where it is none."""
    try:
        return _object(store_for(uri).read(uri), uri)
    except OSError as error:
        raise CorruptError(f"{uri}: cannot be read: {error}") from None


def _object(data: bytes | None, where: str) -> dict[str, Any]:
    if data is None:
        raise InputError(f"{where}: no such file")
    try:
        value = json.loads(data)
    except ValueError as error:
        raise CorruptError(f"{where}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{where}: a JSON {type(value).__name__}, not an object")
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines from a file. Raises InputError where there is none, CorruptError that names the bad line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise CorruptError(f"{path}, line {number}: not JSON: {error}") from None
    return values
