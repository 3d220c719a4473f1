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
        return read_object(folder.path / name)

    def observed(self, stage: str) -> dict[str, Any]:
        """What a stage's run.json says of how it was made; nothing where there is none."""
        folder = self.folders.get(stage)
        return read_object(folder.path / RUN) if folder and (folder.path / RUN).is_file() else {}


def gather(run: str, workspace: str) -> Evidence:
    """Read the run folder. What cannot be read becomes a note: the rest of the run is still to be told."""
    folders: dict[str, Folder] = {}
    notes: list[str] = []
    found: tuple[Record, ...] = ()
    try:
        found = tuple(records.load(run))
    except PlatenError as error:
        notes.append(str(error))
    for record in found:
        if record.uri is None or record.digest is None:  # failed, or a plain folder like the sample's
            continue
        try:
            folders[record.name] = open_folder(record.uri, workspace)
        except PlatenError as error:
            notes.append(f"{record.name}: {error}")
    return Evidence(run, found, folders, tuple(notes))


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises InputError where there is none, CorruptError where it is not one."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{path}: a JSON {type(value).__name__}, not an object")
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
