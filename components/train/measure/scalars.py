"""Scalars for TensorBoard: an event file an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboardX import SummaryWriter

from platen.storage import is_local, join, saving, store_for

TENSORBOARD = "tensorboard"


class Scalars:
    """Writes them; in a bucket they appear when a checkpoint is saved, by way of the node's disk.

    Args:
        uri: The folder that gets the event files.
        desk: Folder of this node for files on their way to a bucket.
        first: Steps done; what an earlier attempt said of later ones is not shown any more.
    """

    def __init__(self, uri: str, desk: Path, first: int) -> None:
        self._uri = join(uri, TENSORBOARD)
        self._folder = Path(self._uri) if is_local(self._uri) else desk / TENSORBOARD
        with saving(str(self._folder), "workspace" if is_local(self._uri) else "PLATEN_SCRATCH"):
            self._writer = SummaryWriter(str(self._folder), purge_step=first)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Values after a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def add_row(self, name: str, first: int, values: Sequence[float]) -> None:
        """A value for each of some steps in a row, the first of them `first`."""
        for step, value in enumerate(values, first):
            self._writer.add_scalar(name, value, step)

    def save(self) -> None:
        """Bring what was written to where it is read."""
        self._writer.flush()
        if not is_local(self._uri):
            for path in self._folder.iterdir():
                store_for(self._uri).put(path, join(self._uri, path.name))
