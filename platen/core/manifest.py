"""The manifest: what a committed folder holds, what it was made from, and how.

A folder without a manifest does not exist for readers. What differs from run to run (times, host)
stands beside the manifest in `run.json` and is never part of a digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from platen.core.errors import CorruptError

MANIFEST = "manifest.json"
RUN = "run.json"
SCHEMA: Literal[1] = 1

Kind = Literal["dataset", "encoded", "model", "pictures", "report", "release"]
Json = Any  # what json.dumps takes


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Part):
    """One file of the folder: path within it, bytes, SHA-256."""

    path: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("path")
    @classmethod
    def _below_the_folder(cls, path: str) -> str:
        if path.startswith("/") or {"", ".", ".."} & set(path.split("/")):
            raise ValueError(f"{path!r} is not below the folder")
        return path


class Source(_Part):
    """A committed folder that was read: where it lies (relative to the workspace where it is in it), its digest."""

    uri: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class Maker(_Part):
    """The code that made it: the stage, the version of its output, the package, the image."""

    stage: str
    stage_version: int
    package: str
    image: str | None = None


class Manifest(_Part):
    """`manifest.json`. `outside` is what was read that no manifest describes (a source folder's digest)."""

    schema_version: Literal[1] = SCHEMA
    kind: Kind
    fingerprint: str
    made_by: Maker
    settings: dict[str, Json]
    inputs: dict[str, Source]
    outside: dict[str, Json]
    counts: dict[str, int] = {}
    dropped: dict[str, int] = {}
    licences: dict[str, int] = {}
    facts: dict[str, Json] = {}
    files: list[File]

    def encode(self) -> bytes:
        """Canonical bytes: the digest of a manifest is the SHA-256 of these."""
        return canonical(self.model_dump(mode="json"), indent=1) + b"\n"

    @property
    def digest(self) -> str:
        """What names this content: SHA-256 of the canonical bytes, in hexadecimal."""
        return sha256(self.encode())


def decode(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes. Raises CorruptError that names the place and the field."""
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise CorruptError(
            f"{where}: corrupt manifest: {field}: {fault['msg']}. Delete the folder and run again to recompute it."
        ) from None
    if manifest.encode() != data:
        raise CorruptError(f"{where}: corrupt manifest: not in canonical form, so it was edited after the commit")
    return manifest


def canonical(value: Json, indent: int | None = None) -> bytes:
    """JSON with sorted keys: the same value always gives the same bytes."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=indent, separators=separators, allow_nan=False)
    return text.encode()


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(
    stage: str, version: int, settings: Mapping[str, Json], inputs: Mapping[str, str], outside: Mapping[str, Json]
) -> str:
    """The name of an output folder: what it depends on and nothing else, as 20 hexadecimal digits."""
    return sha256(canonical([stage, version, dict(settings), dict(inputs), dict(outside)]))[:20]


def list_files(folder: Path) -> list[File]:
    """Every file below a folder but the manifest and run.json, sorted by path, hashed."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    named = sorted((path.relative_to(folder).as_posix(), path) for path in paths)
    return [
        File(path=name, size=path.stat().st_size, sha256=sha256_of(path))
        for name, path in named
        if name not in (MANIFEST, RUN)
    ]


def check_files(folder: Path, files: Iterable[File], where: str) -> None:
    """Compare files on disk with their entries. Raises CorruptError for the first that differs."""
    for file in files:
        path = folder / file.path
        if not path.is_file():
            raise CorruptError(f"{where}/{file.path}: missing; the manifest lists {file.size} bytes")
        if path.stat().st_size != file.size:
            raise CorruptError(f"{where}/{file.path}: {path.stat().st_size} bytes; the manifest says {file.size}")
        found = sha256_of(path)
        if found != file.sha256:
            raise CorruptError(f"{where}/{file.path}: SHA-256 {found}; the manifest says {file.sha256}")
