"""What every KFP component does in its body: take artifacts, run the stage, leave an artifact.

The artifact is a small JSON file: the URI and digest of the committed folder, and its manifest. The data stays where
the stage wrote it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from platen.core.errors import CorruptError, PlatenError
from platen.core.manifest import canonical
from platen.core.processes import die_with
from platen.core.records import recorded_failure, run_recorded
from platen.core.settings import S
from platen.core.stage import Result, Stage
from platen.core.storage import join
from platen.core.telemetry import log, set_up_logging
from platen.core.termination_log import write_termination_log

RUN_ID = "PLATEN_RUN_ID"  # on a cluster the run's id: runs with the same `run` must not mix their records
RUNNER = "PLATEN_RUNNER"  # process id of the local runner, which is not the task's direct parent: kfp starts a shell


class Artifact(Protocol):
    """The part of kfp.dsl.Artifact that is used here."""

    path: str
    metadata: dict[str, Any]


def execute(
    stage: Stage[S], settings: str, workspace: str, run: str, inputs: Mapping[str, Artifact], output: Artifact
) -> Result:
    """Run a stage inside a KFP task; ends the process with 2 for the user's errors, 1 for ours."""

    def find_inputs() -> dict[str, str]:
        return {name: read_reference(Path(artifact.path)) for name, artifact in inputs.items()}

    return execute_on(stage, settings, workspace, run, find_inputs, output)


def execute_on(
    stage: Stage[S],
    settings: str,
    workspace: str,
    run: str,
    find_inputs: Callable[[], Mapping[str, str]],
    output: Artifact,
    name: str | None = None,
) -> Result:
    """Like execute, for a task that finds the URIs of its inputs itself; `name` is its record's, else the stage's."""
    name = name or stage.name
    if RUNNER in os.environ:
        die_with(int(os.environ[RUNNER]))  # a run that is killed leaves no task behind that goes on working
    set_up_logging()
    run = own_folder(run)
    with exit_on_error(name), recorded_failure(run, name):
        result = run_recorded(stage, settings, find_inputs(), workspace, run, name)
        write_reference(output, result)
    return result


def own_folder(run: str) -> str:
    """The folder of this run's records: on a cluster the one below `run` with the run's id."""
    name = os.environ.get(RUN_ID)
    return join(run, name) if name else run


@contextmanager
def exit_on_error(name: str) -> Iterator[None]:
    """Log an error that Platen raised on purpose, and end the process with its exit code.

    Whatever the error, its words are also what Kubernetes says of the container.
    """
    try:
        yield
    except PlatenError as error:
        log.error("%s: %s", name, error)
        write_termination_log(f"{name}: {error}")
        sys.exit(error.exit_code)
    except Exception as error:  # Python logs its traceback when the process ends
        write_termination_log(f"{name}: {type(error).__name__}: {error}")
        raise


def write_reference(output: Artifact, result: Result) -> None:
    """Write the artifact: a reference to the committed folder, and in its metadata what the user interface shows."""
    manifest = result.folder.manifest
    path = Path(output.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    reference = {"uri": result.folder.uri, "digest": manifest.digest, "manifest": manifest.model_dump(mode="json")}
    path.write_bytes(canonical(reference, indent=1))
    output.metadata.update({"uri": result.folder.uri, "digest": manifest.digest, "cached": result.cached})
    output.metadata.update({f"count_{name}": number for name, number in manifest.counts.items()})
    output.metadata.update({f"dropped_{name}": number for name, number in manifest.dropped.items()})


def read_reference(path: Path) -> str:
    """The URI that an artifact names."""
    try:
        return str(json.loads(path.read_bytes())["uri"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{path}: not an artifact of a Platen stage ({type(error).__name__}: {error})") from None
