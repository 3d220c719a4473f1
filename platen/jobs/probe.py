"""Run in a pod before the real ones: the image starts, the storage can be written, the disk has room.

python -m platen.jobs.probe WORKSPACE GIB_OF_SCRATCH
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial

from platen.core.errors import PlatenError, StorageError
from platen.core.storage import scratch, try_writing
from platen.core.telemetry import log, set_up_logging

GIB = 2**30


def run_checks(*checks: Callable[[], None]) -> None:
    """Run checks one after the other; a failure ends the process with the exit code of what is wrong."""
    set_up_logging()
    try:
        for check in checks:
            check()
    except (PlatenError, OSError) as error:
        log.error("%s", error)
        sys.exit(error.exit_code if isinstance(error, PlatenError) else 1)


def check_storage(workspace: str, needed: int) -> None:
    """Write, read and delete an object in the workspace, and look at the space of PLATEN_SCRATCH.

    Args:
        workspace: URI that the job will write below.
        needed: Bytes that must be free for inputs and checkpoints.

    Raises:
        StorageError: One of them failed; with what to do.
    """
    try_writing(workspace)
    folder = scratch()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageError(
            f"{folder}: {gibibytes(free)} free on the node, {gibibytes(needed)} needed for inputs and checkpoints; "
            "set train.job.scratch, so that the pods go to nodes that have it"
        )
    log.info("probe: %s can be written, %s free", workspace, gibibytes(free), extra={"data": {"free_bytes": free}})


def gibibytes(count: int) -> str:
    """Format a number of bytes for people."""
    return f"{count / GIB:.1f} GiB"


def command(workspace: str) -> list[str]:
    """Return what a pod runs to try a workspace, whatever the job needs of its disks."""
    return ["python", "-m", "platen.jobs.probe", workspace, "0"]


if __name__ == "__main__":
    run_checks(partial(check_storage, sys.argv[1], int(sys.argv[2]) * GIB))
