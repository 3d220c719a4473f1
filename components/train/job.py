"""One training run, as every process of it reads it, and the error that its ranks leave behind.

Imported by the stage, the launchers and the ranks: nothing heavy here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from platen.components.train.settings import TrainSettings
from platen.core.errors import CorruptError, InputError, PlatenError, revive
from platen.core.manifest import canonical, sha256
from platen.core.settings import everything
from platen.core.stage import Folder
from platen.core.storage import join, store_for

JOB, ERROR, RESULT, EXPORT, BEGAN = "job.json", "error.json", "result.json", "export", "began.json"
RECORDS = "measured"  # folder of the workspace; it stays when the shared place goes
CHECKPOINTS, CHECKPOINT = "checkpoints", "checkpoint.json"  # their folder; the index of one: without it there is none

BEGAN_AT = "PLATEN_BEGAN_AT"  # environment of the ranks: when their node began, in seconds since 1970


class Stopped(Exception):  # noqa: N818 - not a fault
    """Training was told to stop, and all ranks have saved the same checkpoint; `code` is what they end with."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code


class Job(BaseModel):
    """`job.json`: settings, where the inputs lie and which digests they must have, the place for unfinished work.

    `records` gets what stays of the run's measurements: event files and traces.
    """

    settings: TrainSettings
    encoded: str
    base: str
    shared: str
    records: str
    digests: dict[str, str] = {}


def write_job(settings: TrainSettings, inputs: Mapping[str, Folder], shared: str, workspace: str) -> str:
    """Write the job to its shared place; its URI."""
    job = Job(
        settings=settings,
        encoded=absolute(inputs["encoded"].uri),
        base=absolute(inputs["base"].uri),
        shared=absolute(shared),
        records=join(absolute(workspace), RECORDS, run_id(shared)),
        digests={name: folder.digest for name, folder in inputs.items()},
    )
    uri = join(job.shared, JOB)
    store_for(uri).write(uri, encode(job))
    return uri


def encode(job: Job) -> bytes:
    """The job as JSON; its settings with what is not part of the model's identity, but for how to launch it.

    What a preset stands for is in them, field by field.
    """
    settings = everything(job.settings)
    settings["measure"]["port"] = job.settings.metrics_port  # what null stands for depends on how it is launched
    del settings["job"], settings["preset"]
    return canonical({**job.model_dump(exclude={"settings"}), "settings": settings})


def read_job(uri: str) -> Job:
    """A job from its file. Raises InputError where there is none, CorruptError where it is not one."""
    data = store_for(uri).read(uri)
    if data is None:
        raise InputError(f"{uri}: no such job; the train stage writes it")
    try:
        return Job.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors()[0]
        raise CorruptError(f"{uri}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def run_id(shared: str) -> str:
    """One short name for the training that works at a shared place, whoever asks."""
    return sha256(absolute(shared).encode())[:16]


def absolute(uri: str) -> str:
    """A URI that means the same from any working directory."""
    return uri if "://" in uri else str(Path(uri).resolve())


def attempt() -> str:
    """Which attempt at the job this process belongs to; the launcher counts them."""
    return os.environ.get("PLATEN_ATTEMPT", "1")


def saved_steps(shared: str) -> list[int]:
    """The steps of every folder of a checkpoint, whole or not, newest first."""
    return steps_below(join(shared, CHECKPOINTS))


def steps_below(uri: str) -> list[int]:
    """The steps that folders below a URI are named after, newest first."""
    names = store_for(uri).list(uri)
    return sorted((int(name) for name in names if name.isdigit() and len(name) == 8), reverse=True)


def committed_steps(shared: str) -> Iterator[int]:
    """The steps of the checkpoints that have an index, newest first."""
    return (step for step in saved_steps(shared) if store_for(shared).read(index_of(shared, step)) is not None)


def index_of(shared: str, step: int) -> str:
    """Where the index of a checkpoint lies, if it has one."""
    return join(shared, CHECKPOINTS, folder_of(step), CHECKPOINT)


def folder_of(step: int) -> str:
    """The folder of a checkpoint after so many steps."""
    return f"{step:08d}"


def leave_error(shared: str, error: PlatenError, rank: str | None = None) -> None:
    """Leave an error for whoever started the run: torchrun tells neither its class nor its words.

    The first one of an attempt counts, since the other ranks then fail for having lost a peer. Where the store itself
    is what failed, the log has to do.
    """
    uri = join(shared, ERROR)
    try:
        said = _read(uri)
        if said is None or said["attempt"] != attempt():
            told = {"type": type(error).__name__, "message": str(error), "rank": rank, "attempt": attempt()}
            store_for(uri).write(uri, canonical(told))
    except (PlatenError, OSError):
        pass


def read_error(shared: str) -> PlatenError | None:
    """The error that a rank left behind."""
    said = _read(join(shared, ERROR))
    return None if said is None else revive(str(said["type"]), str(said["message"]))


def clear_error(shared: str) -> None:
    """Forget the error of the attempt before; a launcher does so before it starts another."""
    store_for(shared).remove(join(shared, ERROR))


def _read(uri: str) -> dict[str, str | None] | None:
    data = store_for(uri).read(uri)
    return None if data is None else dict(json.loads(data))
