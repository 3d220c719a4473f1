"""One rank of a trial: a training of two steps, without checkpoint and export, and the memory that it took.

torchrun -m platen.components.train.batch_size.trial JOB.json
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from platen.artifacts.encoded import LATENTS
from platen.components.train.batch_size.memory import Taken, gpu_taken, hold_to, host_bytes, host_taken
from platen.components.train.job import Job, leave_error, read_job
from platen.components.train.rank.faults import fault_of, is_out_of_memory
from platen.components.train.rank.main import leave
from platen.core.processes import die_with_parent
from platen.core.storage import write_file
from platen.core.telemetry import log, set_up_logging
from platen.jobs.exit_codes import DONE

if TYPE_CHECKING:
    from platen.components.train.rank.trainer import Trainer

LOOKED_AT = 1000  # steps, among which each size of pictures comes
STEPS = 2  # the optimizer's state is there from the first on, so the second is as high as any
MEMORY = 75  # exit code: memory did not suffice
LIMIT = "PLATEN_TRIAL_BYTES"  # a rank's; empty for all that there is
TAKEN = "taken-{}.json"


def main(path: str) -> None:
    """Do one rank's part; its exit code says whether memory sufficed."""
    die_with_parent()
    set_up_logging()
    leave(work(read_job(path), Path(path).parent))


def work(job: Job, desk: Path) -> int:
    """The rank's exit code; what it took lies on the desk by then."""
    rank = os.environ["RANK"]
    try:
        taken = measure(job, desk)
    except Exception as error:
        if is_out_of_memory(error):
            log.info("rank %s: memory does not suffice: %s", rank, str(error).partition("\n")[0])
            return MEMORY
        fault = fault_of(error, job.settings, rank)
        if fault.error is not None:
            leave_error(job.shared, fault.error, rank)
        log.error("%s", fault.words)
        return fault.code
    write_file(desk / TAKEN.format(rank), json.dumps(asdict(taken)).encode())
    return DONE


def measure(job: Job, desk: Path) -> Taken:
    """Train for some steps; what it took."""
    import torch

    given = int(os.environ[LIMIT]) if os.environ.get(LIMIT) else None
    on_gpu = torch.cuda.is_available()
    limit = given or host_bytes() // int(os.environ["LOCAL_WORLD_SIZE"])
    if not on_gpu:
        hold_to(limit)
    from platen.components.train.rank.run import build

    trainer = build(job, desk)
    for step in largest_steps(trainer):
        trainer.step(step, [])
    return gpu_taken(given) if on_gpu else host_taken(limit)


def largest_steps(trainer: Trainer) -> list[int]:
    """Of the first steps those whose pictures are largest: the sizes take turns."""
    steps = range(min(trainer.settings.steps, LOOKED_AT))
    read = trainer.data.read
    sizes = {step: np.asarray(read(trainer.order.batch(step)[:1])[LATENTS]).size for step in steps}
    return sorted(steps, key=lambda step: -sizes[step])[:STEPS]


if __name__ == "__main__":
    main(sys.argv[1])
