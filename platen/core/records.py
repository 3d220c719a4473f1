"""The run folder: one record a task, so that a run can be told afterwards, also when it failed.

`<run>/stages/<name>.json`; the exit handler reads them all.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from platen.core.errors import CorruptError, InputError, PlatenError
from platen.core.settings import S, section
from platen.core.stage import Result, Stage, run_stage
from platen.core.storage import join, store_for
from platen.core.telemetry import log


class Failure(BaseModel):
    """Why a stage failed: the class of the error, its words, and the exit code it stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    message: str
    exit_code: int


class Record(BaseModel):
    """What one stage did in a run; its name is the stage's, or the task's where a run holds the stage twice."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    status: Literal["done", "failed"]
    started: float
    seconds: float
    uri: str | None = None
    digest: str | None = None
    cached: bool = False
    error: Failure | None = None


def run_recorded(
    stage: Stage[S], settings: str, inputs: Mapping[str, str], workspace: str, run: str, name: str | None = None
) -> Result:
    """Run a stage from the text of the whole run's settings and leave a record in the run folder.

    `name` is the record's, where the stage's own would be taken: a run may hold a stage twice.
    """
    name = name or stage.name
    started = time.time()
    with recorded_failure(run, name):
        result = run_stage(stage, section(stage.settings, settings, stage.name), inputs, workspace)
    folder = result.folder
    save(
        run,
        Record(
            name=name,
            status="done",
            started=started,
            seconds=round(result.seconds, 3),
            uri=folder.uri,
            digest=folder.digest,
            cached=result.cached,
        ),
    )
    told = "cached:" if result.cached else f"done in {result.seconds:.1f} s:"
    data = {"stage": name, "uri": folder.uri, "cached": result.cached, "seconds": round(result.seconds, 3)}
    log.info("%s: %s %s", name, told, folder.uri, extra={"data": data})
    return result


@contextmanager
def recorded_failure(run: str, name: str) -> Iterator[None]:
    """Leave a record of a stage that raises."""
    started = time.time()
    try:
        yield
    except Exception as error:
        _save_failure(run, failed(name, started, error))
        raise


def _save_failure(run: str, record: Record) -> None:
    try:
        save(run, record)
    except (PlatenError, OSError) as error:  # the stage's own error is the one to be raised
        log.warning("%s: its failure could not be recorded: %s", record.name, error)


def failed(name: str, started: float, error: BaseException) -> Record:
    """The record of a stage that raised."""
    seconds = round(time.time() - started, 3)
    return Record(name=name, status="failed", started=started, seconds=seconds, error=_failure(error))


def refuse(run: str, name: str, error: PlatenError) -> None:
    """Rewrite a stage's record: it did its work, and what came out is that the run must not go on.

    Raises InputError where the run has no record of the stage.
    """
    data = store_for(run).read(_path(run, name))
    if data is None:
        raise InputError(f"{_path(run, name)}: no record of {name} in this run")
    record = _decode(data, _path(run, name))
    save(run, record.model_copy(update={"status": "failed", "error": _failure(error)}))


def save(run: str, record: Record) -> None:
    """Write a record; a later one of the same stage replaces it."""
    data = record.model_dump_json(indent=1).encode()
    store_for(run).write(_path(run, record.name), data)


def load(run: str) -> list[Record]:
    """All records of a run, in the order the stages started. Raises CorruptError for one that is none."""
    store = store_for(run)
    folder = join(run, "stages")
    paths = [join(folder, name) for name in store.list(folder) if name.endswith(".json")]
    found = [(path, store.read(path)) for path in paths]
    records = [_decode(data, path) for path, data in found if data is not None]
    return sorted(records, key=lambda record: record.started)


def _decode(data: bytes, where: str) -> Record:
    try:
        return Record.model_validate_json(data)
    except ValidationError as error:
        raise CorruptError(f"{where}: not a stage's record: {error.errors()[0]['msg']}. Delete it") from None


def _failure(error: BaseException) -> Failure:
    if isinstance(error, PlatenError):
        return Failure(type=type(error).__name__, message=str(error), exit_code=error.exit_code)
    message = "".join(traceback.format_exception_only(error)).strip()
    return Failure(type=type(error).__name__, message=message, exit_code=1)


def _path(run: str, name: str) -> str:
    return join(run, "stages", f"{name}.json")
