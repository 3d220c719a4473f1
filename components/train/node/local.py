"""Training on this machine: one node, its processes started from here."""

from __future__ import annotations

from platen.components.train.checkpoints.resumable import check_resumable
from platen.components.train.job import clear_error, read_error, read_job
from platen.components.train.node.worker import Node, run_node
from platen.components.train.settings import TrainSettings
from platen.core.errors import ProcessError
from platen.core.stage import Place
from platen.core.telemetry import PLAIN, log
from platen.jobs.exit_codes import OUT_OF_TIME, STOPPED


def run_here(uri: str, settings: TrainSettings, place: Place) -> None:
    """Run `settings.ranks` processes on this machine to the end of the job.

    Raises:
        PlatenError: What a rank raised, as it raised it.
        ProcessError: A rank died without saying why; its last lines are in the message.
        SystemExit: Training was stopped and saved.
    """
    job = read_job(uri)
    check_resumable(job)
    clear_error(job.shared)
    node = Node(count=1, index=0, processes=settings.ranks)
    ended = run_node(job, node, lambda line: log.info("%s", line), {"PLATEN_LOG": PLAIN})
    if ended.code == 0:
        return
    if ended.code in (STOPPED, OUT_OF_TIME):
        raise SystemExit(ended.code)
    raise read_error(job.shared) or ProcessError(
        f"training ended with exit code {ended.code}; its last lines:\n" + "\n".join(ended.last[-15:])
    )
