"""What a run left behind: the records of its stages and the folders that they committed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from platen.artifacts.metadata import Metadata
from platen.artifacts.training_run import TrainingRun
from platen.core import records
from platen.core.errors import CorruptError, InputError, PlatenError
from platen.core.manifest import RUN
from platen.core.records import Record
from platen.core.stage import Folder, open_folder
from platen.core.storage import join, store_for

M = TypeVar("M", bound=Metadata)


@dataclass(frozen=True)
class Evidence:
    """Records in the order of the run, the folders that could be opened, and what could not be read and why."""

    run: str
    records: tuple[Record, ...]
    folders: Mapping[str, Folder]
    notes: tuple[str, ...]

    def metadata(self, stage: str, kind: type[M]) -> M | None:
        """Return what a stage's manifest says of its folder; None where the stage left none."""
        folder = self.folders.get(stage)
        return kind.of(folder) if folder else None

    def training_run(self) -> TrainingRun:
        """Return what train noted of how it trained; nothing where it left no model."""
        folder = self.folders.get("train")
        return TrainingRun.of(folder) if folder else TrainingRun()

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
