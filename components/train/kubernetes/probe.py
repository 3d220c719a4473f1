"""Run in a pod before the real ones: the image starts, the storage can be written, the disk has room.

python -m platen.components.train.kubernetes.probe WORKSPACE GIB_OF_SCRATCH [NVME_PATH GIB_OF_NVME]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from platen.components.train.node.nvme import GIB, check_nvme
from platen.core.errors import PlatenError, StorageError
from platen.core.storage import scratch, try_writing
from platen.core.telemetry import log, set_up_logging


def main(workspace: str, needed: str, nvme: str | None = None, needed_there: str = "0") -> None:
    """Probe; ends with the exit code of what is wrong."""
    set_up_logging()
    try:
        probe(workspace, int(needed) * GIB)
        if nvme is not None:
            check_nvme(Path(nvme), int(needed_there) * GIB)
    except (PlatenError, OSError) as error:
        log.error("%s", error)
        sys.exit(error.exit_code if isinstance(error, PlatenError) else 1)


def probe(workspace: str, needed: int) -> None:
    """Write, read and delete an object in the workspace, and look at the space of PLATEN_SCRATCH.

    Args:
        workspace: URI that the training will write below.
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
    """A size for people."""
    return f"{count / GIB:.1f} GiB"


if __name__ == "__main__":
    main(*sys.argv[1:])
