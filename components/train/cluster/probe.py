"""Run in a pod before the real ones: what every job needs, and the NVMe disk that a training offloads to.

python -m platen.components.train.cluster.probe WORKSPACE GIB_OF_SCRATCH [NVME_PATH GIB_OF_NVME]
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from platen.components.train.node.nvme import check_nvme
from platen.jobs.probe import GIB, check_storage, run_checks


def main(workspace: str, needed: str, nvme: str | None = None, needed_there: str = "0") -> None:
    """Probe; ends with the exit code of what is wrong."""
    checks = [partial(check_storage, workspace, int(needed) * GIB)]
    if nvme is not None:
        checks.append(partial(check_nvme, Path(nvme), int(needed_there) * GIB))
    run_checks(*checks)


if __name__ == "__main__":
    main(*sys.argv[1:])
