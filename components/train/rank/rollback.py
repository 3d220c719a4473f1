"""Going on from an older checkpoint, and what is said where there is none to go on from."""

from __future__ import annotations

from collections.abc import Mapping

import torch.distributed as dist

from platen.components.train.job import CHECKPOINTS, committed_steps, index_of, saved_steps
from platen.errors import InputError, ProcessError
from platen.manifest import Json
from platen.storage import join, store_for
from platen.telemetry import log


def give_up_after(shared: str, step: int) -> None:
    """Have no checkpoint of more than this many steps be believed any more. Collective."""
    if dist.get_rank() == 0:
        for newer in [each for each in committed_steps(shared) if each > step]:
            store_for(shared).remove(index_of(shared, newer))
    dist.barrier()


def losses_of(restored: Mapping[str, Json] | None, shared: str) -> list[float | None]:
    """The losses of the checkpoint that was rolled back to.

    Raises ProcessError where there was none: the weights at hand are not to be gone on with.
    """
    if restored is None:
        folders = join(shared, CHECKPOINTS)
        raise ProcessError(f"{folders}: no whole checkpoint to roll back to; started again, training begins anew")
    return list(restored["losses"])


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
