"""Going on from an older checkpoint after a fault in training."""

from __future__ import annotations

from collections.abc import Mapping

import torch.distributed as dist

from platen.components.train.job import CHECKPOINTS, committed_steps, index_of
from platen.core.errors import ProcessError
from platen.core.manifest import Json
from platen.core.storage import join, store_for


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
