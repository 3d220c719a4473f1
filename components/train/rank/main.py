"""Entry point of a rank: what torchrun starts, on this machine and in the pods of a PyTorchJob.

torchrun --nproc-per-node 2 -m platen.components.train.rank.main JOB.json
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from platen.components.train.job import Job, Stopped, leave_error, read_job
from platen.components.train.rank.faults import fault_of
from platen.core.processes import die_with_parent
from platen.core.telemetry import log, set_up_logging
from platen.jobs.exit_codes import DONE


def main(path: str) -> NoReturn:
    """Do one rank's part of a job whose inputs lie on this machine."""
    die_with_parent()
    set_up_logging()
    leave(work(read_job(path), Path(path).parent))


def work(job: Job, desk: Path) -> int:
    """The rank's exit code; its error, where it is one of its own, lies in the shared place by then."""
    try:
        from platen.components.train.rank.run import run  # takes seconds, in which the parent may end

        run(job, desk)
    except Stopped as stopped:
        log.info("%s", stopped)
        return stopped.code
    except Exception as error:
        rank = os.environ.get("RANK", "?")
        fault = fault_of(error, job.settings, rank)
        if fault.error is not None:
            leave_error(job.shared, fault.error, rank)
        log.error("%s", fault.words)
        return fault.code
    return DONE


def leave(code: int) -> NoReturn:
    """End a rank without the libraries' teardown: gloo's can abort a rank whose peers are gone already."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
