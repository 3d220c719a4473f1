"""Running a stage: find its output by fingerprint, or make it and commit it.

A stage's work is a plain function of (settings, inputs, place). Everything around it is the same for every stage and
every runner: the fingerprint, the look whether the folder is there already, the lock, the commit, the record.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Generic

from platen import __version__
from platen.core.errors import InputError, PlatenError
from platen.core.manifest import (
    MANIFEST,
    RUN,
    File,
    Json,
    Kind,
    Maker,
    Manifest,
    Source,
    canonical,
    decode,
    fingerprint,
    list_files,
)
from platen.core.settings import S
from platen.core.storage import is_local, join, saving, scratch, store_for
from platen.core.telemetry import log


@dataclass(frozen=True)
class Folder:
    """A committed folder: its URI, its manifest, and, once they are asked for, its files."""

    uri: str
    manifest: Manifest

    @cached_property
    def path(self) -> Path:
        """Where its files can be read; they are downloaded when this is first asked."""
        return store_for(self.uri).fetch(self.uri, self.manifest)

    @property
    def digest(self) -> str:
        """The digest of the manifest, which covers every file."""
        return self.manifest.digest

    def part(self, *only: str) -> Path:
        """Like `path`, where only the files that match one of these shell patterns are needed."""
        return store_for(self.uri).fetch(self.uri, self.manifest, only)

    def check(self) -> None:
        """Raise CorruptError unless every file is what the manifest says; a download is checked as it arrives."""
        if is_local(self.uri):
            store_for(self.uri).verify(self.uri, self.manifest)
        else:
            _ = self.path

    def read(self, name: str) -> bytes | None:
        """The bytes of one small file beside or below the manifest, from the store itself; None where it is absent."""
        return store_for(self.uri).read(join(self.uri, name))


Inputs = Mapping[str, Folder]


@dataclass
class Place:
    """Where a stage works.

    Attributes:
        out: What gets committed.
        scratch: Local; survives a crash, deleted at the commit.
        workspace: Local path or bucket prefix.
        shared: URI for unfinished work that every node of the stage reaches, and that the next attempt finds also
            where it runs on another node; deleted at the commit.
        observed: What goes to run.json.
        outside: What the stage's own `outside` function said: what the fingerprint stands for, also where a log or a
            folder has grown since.
    """

    out: Path
    scratch: Path
    workspace: str
    shared: str
    observed: dict[str, Json] = field(default_factory=dict)
    outside: Mapping[str, Json] = field(default_factory=dict)

    def observe(self, **values: Json) -> None:
        """Note what differs from run to run (durations, rates); it goes to run.json, not into the digest."""
        self.observed.update(values)


@dataclass(frozen=True)
class Outcome:
    """What a stage says of its output, for the manifest. Only what the same inputs always give."""

    counts: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    licences: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)


def nothing(settings: object, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """For a stage that reads nothing but its inputs."""
    return {}


@dataclass(frozen=True)
class Stage(Generic[S]):
    """A stage of the chain.

    Attributes:
        name: Its folder below components/ and below the workspace.
        version: Raise it when the same settings and inputs give another output.
        kind: What the output is.
        settings: The type of its section in the settings file.
        inputs: The committed folders that it reads: the kind of each, by name.
        optional_inputs: Those that it can do without.
        work: Does it: fills `place.out`, returns what to say of it.
        outside: What the output depends on besides settings and inputs, as JSON (the digest of a source folder).
        resumable: `out` is left as a killed attempt left it; otherwise it is emptied first.
        advice: Folders that say how the work may be done, and not what comes out: the fingerprint and the
            manifest do without them. All of them are optional.
        advised: The settings with what the advice says; it changes only fields that are declared with exclude=True.
        conclude: What follows a committed result in a run, also a cached one; takes the result and the run's folder.
            Raises where the result must fail the run, as a rejected model does.
    """

    name: str
    version: int
    kind: Kind
    settings: type[S]
    inputs: Mapping[str, Kind]
    work: Callable[[S, Inputs, Place], Outcome]
    optional_inputs: Mapping[str, Kind] = field(default_factory=dict)
    outside: Callable[[S, Inputs, str], Mapping[str, Json]] = nothing
    resumable: bool = False
    advice: Mapping[str, Kind] = field(default_factory=dict)
    advised: Callable[[S, Inputs], S] | None = None
    conclude: Callable[[Result, str], None] | None = None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kind of each folder that it may be given, by name."""
        return {**self.inputs, **self.optional_inputs, **self.advice}


@dataclass(frozen=True)
class Result:
    """A committed output, and whether it was there already."""

    folder: Folder
    cached: bool
    seconds: float


def run_stage(stage: Stage[S], settings: S, inputs: Mapping[str, str], workspace: str) -> Result:
    """Find or make the output of a stage.

    Args:
        stage: The stage.
        settings: Its section of the settings.
        inputs: URI of the committed folder for each name in `stage.inputs`.
        workspace: Local path or bucket prefix; the output is `<workspace>/<stage>/<fingerprint>`.

    Raises:
        InputError: An input is missing, of another kind, or not what its manifest says.
    """
    started = time.monotonic()
    wanted = wanted_inputs(stage, inputs)
    opened = {name: open_input(name, uri, workspace, stage.kinds[name]) for name, uri in wanted.items()}
    advice = {name: opened.pop(name) for name in stage.advice if name in opened}
    if advice and stage.advised is not None:
        settings = stage.advised(settings, advice)
    outside = dict(stage.outside(settings, opened, workspace))
    chosen = settings.model_dump(mode="json")
    digests = {name: folder.digest for name, folder in opened.items()}
    name = fingerprint(stage.name, stage.version, chosen, digests, outside)
    uri = join(workspace, stage.name, name)
    with _alone(_desk(workspace, stage.name, name)) as desk:
        found = find(uri)
        if found is not None:
            return Result(found, cached=True, seconds=time.monotonic() - started)
        for folder in opened.values():
            folder.check()
        with (
            saving(uri, _other(workspace)),
            _working(desk, workspace, _shared(desk, uri), keep=stage.resumable) as place,
        ):
            place.outside = outside
            place.observe(**{name: folder.uri for name, folder in advice.items()})
            outcome = stage.work(settings, opened, place)
            manifest = Manifest(
                kind=stage.kind,
                fingerprint=name,
                made_by=_maker(stage),
                settings=chosen,
                inputs={key: _source(folder, workspace) for key, folder in opened.items()},
                outside=outside,
                counts=dict(sorted(outcome.counts.items())),
                dropped=dict(sorted(outcome.dropped.items())),
                licences=dict(sorted(outcome.licences.items())),
                facts=dict(sorted(outcome.facts.items())),
                files=_finished_files(place.out),
            )
            seconds = time.monotonic() - started
            _write_run(place, seconds)
        store_for(uri).commit(place.out, uri, manifest)
        _clear(place.shared)
    return Result(open_folder(uri, workspace), cached=False, seconds=seconds)


def wanted_inputs(stage: Stage[S], inputs: Mapping[str, str]) -> dict[str, str]:
    """The inputs a stage knows. Raises InputError for one that is missing or not known."""
    known = stage.kinds
    for name in inputs:
        if name not in known:
            raise InputError(f"{stage.name} has no input {name!r}. Accepted: {', '.join(known) or 'none'}")
    for name in stage.inputs:
        if name not in inputs:
            raise InputError(f"{stage.name} needs the input {name!r}: the URI of a committed folder")
    return dict(inputs)


def open_input(name: str, uri: str, workspace: str, wanted: Kind) -> Folder:
    """The committed folder of an input. Raises InputError where it is not of the kind that is wanted.

    Without this a stage that is given a model for a data set finds no samples in it, and commits that.
    """
    folder = open_folder(uri, workspace)
    kind, maker = folder.manifest.kind, folder.manifest.made_by.stage
    if kind != wanted:
        raise InputError(
            f"{folder.uri}: {kind}, made by {maker}, as the input {name!r}. Accepted: a folder of kind {wanted}"
        )
    return folder


def find(uri: str) -> Folder | None:
    """A committed folder, or None where there is no manifest. Raises CorruptError for a manifest that is none."""
    data = store_for(uri).read(join(uri, MANIFEST))
    return None if data is None else Folder(uri, decode(data, join(uri, MANIFEST)))


def open_folder(uri: str, workspace: str = "") -> Folder:
    """A committed folder, by its URI (one relative to the workspace too). Raises InputError where there is none."""
    whole = resolve(uri, workspace)
    folder = find(whole)
    if folder is None:
        raise InputError(f"{whole}: nothing committed here (no {MANIFEST}); run the stage that produces it first")
    return folder


def resolve(uri: str, workspace: str) -> str:
    """The whole URI of a source as a manifest names it."""
    relative = workspace and "://" not in uri and uri.count("/") == 1 and not uri.startswith(("/", "."))
    return join(workspace, uri) if relative else uri


def _source(folder: Folder, workspace: str) -> Source:
    """A source by its place in the workspace, so that the digest does not depend on how either was spelt."""
    if "://" in folder.uri:
        return Source(uri=folder.uri.removeprefix(workspace.rstrip("/") + "/"), digest=folder.digest)
    path, root = Path(folder.uri).resolve(), Path(workspace).resolve()
    inside = path.is_relative_to(root)
    return Source(uri=path.relative_to(root).as_posix() if inside else folder.uri, digest=folder.digest)


def _maker(stage: Stage[S]) -> Maker:
    return Maker(
        stage=stage.name, stage_version=stage.version, package=__version__, image=os.environ.get("PLATEN_IMAGE")
    )


def _desk(workspace: str, stage: str, name: str) -> Path:
    """Where unfinished work lies: on the workspace's own file system, so that a commit is a rename, or in scratch."""
    return (Path(workspace) if is_local(workspace) else scratch()) / stage / f".{name}"


def _shared(desk: Path, uri: str) -> str:
    """Where unfinished work lies that all nodes of a stage share: beside what will be committed."""
    folder, _, name = uri.rpartition("/")
    return str(desk / "scratch") if is_local(uri) else join(folder, f".{name}")


def _other(workspace: str) -> str:
    """What to set so that unfinished work lies on another disk."""
    return "workspace" if is_local(workspace) else "PLATEN_SCRATCH"


@contextmanager
def _alone(desk: Path) -> Iterator[Path]:
    """Hold the desk: a second process that makes the same output waits, and then finds it made."""
    with saving(str(desk)):
        desk.mkdir(parents=True, exist_ok=True)
    lock_path = desk.with_name(f"{desk.name}.lock")
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is making %s; waiting for it", desk)
            fcntl.flock(lock, fcntl.LOCK_EX)
        failed = True
        try:
            desk.mkdir(parents=True, exist_ok=True)
            yield desk
            failed = False
        finally:
            if not failed:
                shutil.rmtree(desk, ignore_errors=True)
                lock_path.unlink(missing_ok=True)


@contextmanager
def _working(desk: Path, workspace: str, shared: str, *, keep: bool) -> Iterator[Place]:
    """The place of one attempt. What it wrote stays only for a stage that goes on from there: disks run full."""
    place = Place(desk / "out", desk / "scratch", workspace, shared)
    if not keep:
        shutil.rmtree(place.out, ignore_errors=True)
    place.out.mkdir(exist_ok=True)
    place.scratch.mkdir(exist_ok=True)
    try:
        yield place
    except BaseException:
        if not keep:
            shutil.rmtree(place.out, ignore_errors=True)
        raise


def _clear(shared: str) -> None:
    """Delete what is not needed after a commit; that it stays is no fault of the stage."""
    try:
        store_for(shared).remove(shared)
    except PlatenError as error:
        log.warning("%s could not be deleted: %s", shared, error)


def _finished_files(out: Path) -> list[File]:
    for left in out.rglob("*.tmp"):
        left.unlink()
    return list_files(out)


def _write_run(place: Place, seconds: float) -> None:
    run = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "seconds": round(seconds, 3),
        **place.observed,
    }
    (place.out / RUN).write_bytes(canonical(run, indent=1))
