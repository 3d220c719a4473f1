"""Whether there is a checkpoint to go on from, before machines are taken; and what the ranks say who found none."""

from __future__ import annotations

from platen.components.train.checkpoints.index import LAYOUT, committed, read_described
from platen.components.train.job import CHECKPOINTS, Job, saved_steps
from platen.core.errors import CorruptError, InputError
from platen.core.storage import join
from platen.core.telemetry import log


def check_resumable(job: Job) -> None:
    """Look at the checkpoints that there are, without their numbers: whether a rank's file is whole, its reader sees.

    Raises InputError where the newest that is described is of another model, or where there are some, none of them is,
    and `must_resume` is set.
    """
    for uri, index in committed(join(job.shared, CHECKPOINTS)):
        try:
            read_described(uri, index, LAYOUT)
        except CorruptError:
            continue  # the ranks say so, and take the one before
        if index.base not in ("", job.digests["base"]):
            raise InputError(
                f"{uri}: a checkpoint of another model: training began with the base model {index.base} there and "
                f"begins with {job.digests['base']} here. Accepted: one of the same base model"
            )
        return
    if job.settings.must_resume:
        check_resumed(job.shared, 0, must_resume=True)


def check_resumed(shared: str, done: int, must_resume: bool) -> None:
    """Say loudly that training starts anew though there are checkpoints; refuse it where the settings do.

    Raises InputError.
    """
    left = saved_steps(shared) if done == 0 else []
    if not left:
        return
    steps = ", ".join(map(str, left))
    what = f"{join(shared, CHECKPOINTS)}: of the checkpoints there (steps {steps}) none is whole and of this training"
    if must_resume:
        raise InputError(f"{what}; train.must_resume refuses to begin anew: bring a whole one back, or set it to false")
    log.warning("train: %s; TRAINING BEGINS ANEW, from step 0", what)
