"""The content pipeline on this machine: kfp.local's SubprocessRunner runs the same graph that a cluster gets."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from platen.core import records
from platen.core.component import RUNNER
from platen.core.errors import PlatenError, ProcessError
from platen.core.outcome import Witness, decide
from platen.core.settings import parse
from platen.core.storage import is_local, join, scratch, store_for
from platen.core.telemetry import LINE_MARK, MARKED, log
from platen.core.termination_log import VARIABLE as TERMINATION_LOG

if TYPE_CHECKING:
    from kfp.local import DockerRunner, SubprocessRunner

RAW_LOG = "kfp.log"  # everything that kfp and the tasks print; the terminal gets Platen's own lines


def run_content(settings: str, workspace: str, run: str, *, docker: bool = False) -> None:
    """Run the content pipeline and wait for its end.

    Args:
        settings: YAML text.
        workspace: Local path or bucket prefix.
        run: The run's folder, likewise; the records of an earlier run in it are replaced.
        docker: Each stage in a container of its own image instead of a process.

    Raises:
        PlatenError: What the failed stage raised; ProcessError where it died without a record.
    """
    from kfp import local

    from platen.pipelines.content import content_pipeline

    started = time.time()
    clear_records(run)
    folder = local_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        runner = _containers(stack, settings, workspace, run) if docker else _processes()
        local.init(runner=runner, pipeline_root=str((folder / "kfp").resolve()), raise_on_error=True)
        raw = stack.enter_context((folder / RAW_LOG).open("w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(_Tee(raw)))
        warnings.simplefilter("ignore")  # kfp warns that an image of ours might not have Python
        try:
            content_pipeline()(settings=settings, workspace=workspace, run=run)
        except RuntimeError as error:
            raise failure(run) or ProcessError(f"{error}; all that was printed: {folder / RAW_LOG}") from None
    log.info("the run took %.0f s; report: %s", time.time() - started, join(run, "report.html"))


def _processes() -> SubprocessRunner:
    """Tasks as processes of this machine, in this environment; they end when this process does."""
    from kfp.local import SubprocessRunner

    os.environ["PLATEN_LOG"] = MARKED
    os.environ[RUNNER] = str(os.getpid())
    os.environ[TERMINATION_LOG] = ""  # in a notebook's pod a failed task must not speak for the notebook
    return SubprocessRunner(use_venv=False)


def _containers(stack: contextlib.ExitStack, settings: str, workspace: str, run: str) -> DockerRunner:
    """Tasks as containers; what is left of them is stopped when the run ends."""
    from platen.pipelines.containers import docker_runner, own_containers
    from platen.pipelines.settings import RunSettings

    name = uuid.uuid4().hex[:12]
    runner = docker_runner(parse(RunSettings, settings, "settings"), (workspace, run), name)
    stack.enter_context(own_containers(name))
    return runner


def local_folder(run: str) -> Path:
    """Where this machine keeps what is not for the run's folder in a bucket: kfp's own files and the raw log."""
    return Path(run) if is_local(run) else scratch() / "runs" / run.partition("://")[2]


def clear_records(run: str) -> None:
    """Forget the stages of an earlier run in the same folder: a summary must not mix two runs."""
    store, folder = store_for(run), join(run, "stages")
    for name in store.list(folder):
        if name.endswith(".json") and name != "sample.json":
            store.remove(join(folder, name))


class _Tee(io.TextIOBase):
    """A standard output that keeps everything in `raw`, and shows the lines that a stage marked as its own."""

    def __init__(self, raw: io.TextIOBase | io.TextIOWrapper) -> None:
        self.raw = raw
        self.line = ""

    def write(self, text: str) -> int:
        self.raw.write(text)
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            _, marked, message = line.partition(LINE_MARK)
            if marked:
                sys.stderr.write(f"{message}\n")
                sys.stderr.flush()
        return len(text)

    def flush(self) -> None:
        self.raw.flush()


def failure(run: str) -> PlatenError | None:
    """Return the error of the stage that failed, as an object of its own class; None where no stage recorded one."""
    outcome = decide(records.load(run), (), Witness.FAILED)
    return outcome.named_error() if outcome.recorded else None
