"""Going back to the model that was live before."""

from __future__ import annotations

from platen import releases
from platen.errors import InputError
from platen.stage import open_folder
from platen.storage import store_for
from platen.telemetry import log


def rollback(workspace: str) -> releases.Release:
    """Make the previous release live again, once its files have proved whole; what is live then.

    Servers that run keep their model; one started with `--workspace` from now on serves the earlier one.

    Raises:
        InputError: There is no earlier release, or its folder is gone.
        CorruptError: A file of it is not what its manifest says.
    """
    history = releases.load(workspace).history
    if len(history) < 2:
        raise InputError(f"{workspace}: {len(history)} release(s) here, so there is no earlier one to roll back to")
    earlier = open_folder(history[-2].model, workspace)
    store_for(earlier.uri).verify(earlier.uri, earlier.manifest)
    releases.roll_back(workspace)
    log.info("rolled back from %s to %s", history[-1].model, earlier.uri)
    return history[-2]
