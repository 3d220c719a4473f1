"""Which model is live in a workspace, and which ones were before: `<workspace>/releases/live.json`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.artifacts.json_file import JsonFile, Part
from platen.core.errors import CorruptError, InputError
from platen.core.storage import join, store_for

SMOKE_USER = "platen-deploy"  # marks the requests of deploy's smoke test in the request log


class Check(Part):
    """One thing that was checked of a model before its release, and held."""

    name: str
    detail: str


class ReleaseRecord(JsonFile):
    """A release as deploy commits it, `release.json`: digests of the model and its evaluation, and what was checked."""

    FILE: ClassVar[str] = "release.json"

    model: str
    report: str
    checks: list[Check]


class Release(BaseModel):
    """A model that was, or is, live.

    Attributes:
        model: URI of the committed model.
        digest: Digest of its manifest.
        report: URI of the evaluation it was promoted on.
        since: When it went live, ISO 8601 in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    digest: str
    report: str
    since: str


class Releases(BaseModel):
    """All releases of a workspace, the oldest first; the last one is live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    history: list[Release] = []

    @property
    def live(self) -> Release | None:
        """The release that serves now."""
        return self.history[-1] if self.history else None

    def place_of_champion(self, candidate: str) -> int:
        """Which of all releases `champion` is, from 1; 0 where there is none. Released again, it is at another."""
        return max((place for place, each in enumerate(self.history, 1) if each.digest != candidate), default=0)


def load(workspace: str) -> Releases:
    """The releases of a workspace; none where nothing was released yet."""
    where = _pointer(workspace)
    data = store_for(workspace).read(where)
    if data is None:
        return Releases()
    try:
        return Releases.model_validate_json(data)
    except ValidationError as error:
        raise CorruptError(f"{where}: not a list of releases: {error.errors()[0]['msg']}") from None


def champion(workspace: str, candidate: str) -> Release | None:
    """The release that a candidate, by its model's digest, has to beat.

    The live one; where the candidate is live itself, the one before it. So the answer is the same before and after a
    promotion.
    """
    releases = load(workspace)
    place = releases.place_of_champion(candidate)
    return releases.history[place - 1] if place else None


def promote(workspace: str, model: str, digest: str, report: str) -> Releases:
    """Switch the pointer to a model; the write is atomic. No-op where it is live already."""
    releases = load(workspace)
    if releases.live is not None and releases.live.digest == digest:
        return releases
    since = datetime.now(UTC).isoformat(timespec="seconds")
    release = Release(model=model, digest=digest, report=report, since=since)
    return _save(workspace, Releases(history=[*releases.history, release]))


def roll_back(workspace: str) -> Releases:
    """Make the previous release live again. Raises InputError where there is none."""
    releases = load(workspace)
    if len(releases.history) < 2:
        raise InputError(f"{_pointer(workspace)}: no earlier release to roll back to")
    return _save(workspace, Releases(history=releases.history[:-1]))


def request_log(workspace: str, digest: str) -> str:
    """The folder where the servers of a model write their request logs: `<host>.<start>-<number>.jsonl`, JSON lines."""
    return join(workspace, "requests", digest)


def _pointer(workspace: str) -> str:
    return join(workspace, "releases", "live.json")


def _save(workspace: str, releases: Releases) -> Releases:
    store_for(workspace).write(_pointer(workspace), releases.model_dump_json(indent=1).encode())
    return releases
