"""Committed folders with files of any content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from platen.core.manifest import Json, Kind
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from platen.core.storage import write_file


class Content(Settings):
    """What such a folder holds."""

    files: dict[str, str]
    facts: dict[str, Any]


def _write(settings: Content, inputs: Inputs, place: Place) -> Outcome:
    for name, text in settings.files.items():
        write_file(place.out / name, text.encode())
    return Outcome(facts=settings.facts)


def commit(
    workspace: Path | str,
    files: Mapping[str, str],
    facts: Mapping[str, Json] | None = None,
    stage: str = "any",
    kind: Kind = "report",
) -> Folder:
    """Commit a folder with these files and facts, as the stage of that name would."""
    made = Stage(name=stage, version=1, kind=kind, settings=Content, inputs={}, work=_write)
    return run_stage(made, Content(files=dict(files), facts=dict(facts or {})), {}, str(workspace)).folder
