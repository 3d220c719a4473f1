"""Checkpoints: each rank saves its own part beside training; believed only when whole; read by any number of ranks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from platen.components.train.checkpoints.index import (
    LAYOUT,
    PROGRESS,
    STATE,
    Checkpoint,
    Layout,
    Part,
    check_same_model,
    commit,
    committed,
    folders,
    parts_needed,
    rank_folder,
    read_described,
)
from platen.components.train.checkpoints.policy import kept
from platen.components.train.checkpoints.settings import CheckpointSettings
from platen.components.train.checkpoints.state import Snapshot, load_state, stretches, write_state
from platen.components.train.checkpoints.writer import Writer
from platen.components.train.job import CHECKPOINT as INDEX
from platen.components.train.job import folder_of
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.masters import Masters
from platen.components.train.parallel.zero import host_group
from platen.core.errors import CorruptError, InputError
from platen.core.manifest import Json, check_files
from platen.core.storage import is_local, join, saving, store_for
from platen.core.telemetry import log


@dataclass
class Save:
    """One that is under way: this rank's part, and its file once it is written."""

    uri: str
    progress: Mapping[str, Json]
    part: Part


@dataclass
class Checkpoints:
    """Those of one run. Made by all ranks together.

    Attributes:
        uri: The folder of all of them.
        desk: Folder of this node for files on their way to or from a bucket.
        settings: When, and what is kept.
        stage: The ZeRO stage, for the record.
        base: Digest of the model that training began with, for the record.
        masters: What this rank's optimizer holds.
        ema: The average of it.
    """

    uri: str
    desk: Path
    settings: CheckpointSettings
    stage: int
    base: str
    masters: Masters
    ema: Ema
    snapshot: Snapshot = field(default_factory=Snapshot)
    writer: Writer = field(default_factory=Writer)
    under_way: Save | None = None

    def __post_init__(self) -> None:
        self.group = host_group()
        self.sizes = {name: shape.numel() for name, shape in self.masters.shapes.items()}

    def save(self, progress: Mapping[str, Json]) -> None:
        """Copy what is to be saved after `len(progress["losses"])` steps, and begin to write it. Collective.

        One is written at a time: the one before is waited for.
        """
        self.wait()
        self.snapshot.take(self.masters, self.ema)
        part = Part(
            stretches=stretches(self.masters.saved()), updates=self.masters.updates(), scaler=self.masters.scaler()
        )
        self.under_way = Save(join(self.uri, folder_of(len(progress["losses"]))), dict(progress), part)
        self.writer.start(partial(self._write_part, self.under_way))

    def advance(self) -> None:
        """After a step: have rank 0 commit what all ranks have written. Collective while a save is under way."""
        if self.under_way is None:
            return
        written = torch.tensor(int(not self.writer.busy))
        if written:
            self.writer.wait()
        dist.all_reduce(written, dist.ReduceOp.MIN, group=self.group)
        if written:
            self._commit(self.under_way)

    @property
    def busy(self) -> bool:
        """Whether a save is under way, or its index is being written."""
        return self.under_way is not None or self.writer.busy

    def wait(self) -> None:
        """Until what is under way is committed. Collective."""
        if self.under_way is not None:
            self.writer.wait()
            self._commit(self.under_way)
        self.writer.wait()
        dist.barrier(group=self.group)

    def _write_part(self, save: Save) -> None:
        name = rank_folder(dist.get_rank())
        folder = Path(save.uri, name) if is_local(save.uri) else self.desk / f"save-{name}"
        with saving(str(folder), "workspace" if is_local(save.uri) else "PLATEN_SCRATCH"):
            file = write_state(self.snapshot.tensors, folder / STATE)
        if not is_local(save.uri):
            store_for(save.uri).put(folder / STATE, join(save.uri, name, STATE))
            shutil.rmtree(folder)
        save.part.file = file.model_copy(update={"path": f"{name}/{STATE}"})

    def _commit(self, save: Save) -> None:
        parts = everyones(save.part, self.group)
        self.under_way = None
        if dist.get_rank() == 0:
            self.writer.wait()
            self.writer.start(partial(self._index, save, Layout(parts=parts, sizes=self.sizes)))

    def _index(self, save: Save, layout: Layout) -> None:
        losses = [loss for loss in save.progress["losses"][-self.settings.every :] if loss is not None]
        index = Checkpoint(
            step=len(save.progress["losses"]),
            base=self.base,
            ranks=len(layout.parts),
            stage=self.stage,
            loss=sum(losses) / len(losses) if losses else None,
            files=[part.file for part in layout.parts if part.file],
        )
        commit(save.uri, index, layout, save.progress)
        self._tidy(index.step)

    def _tidy(self, newest: int) -> None:
        """Delete what is not to be kept, and what saves that were broken off have left; the index first."""
        store = store_for(self.uri)
        whole = {index.step: index.loss for _, index in committed(self.uri) if index.step <= newest}
        keep = kept(whole, self.settings)
        for uri in folders(self.uri):
            if int(uri.rpartition("/")[2]) not in keep:
                store.remove(join(uri, INDEX))
                store.remove(uri)

    def restore(self) -> dict[str, Json] | None:
        """Load the newest whole checkpoint; its progress, or None where there is none. Collective.

        Each rank checks the parts that it needs; where one finds a part broken, all take the checkpoint before.

        Raises:
            InputError: It is one of another model.
        """
        for uri, index in everyones(committed(self.uri) if dist.get_rank() == 0 else [], self.group)[0]:
            found = self._fetch(uri, index)
            if all(everyones(found is not None, self.group)) and found is not None:
                layout, files, progress = found
                load_state(self.masters, self.ema, layout, files)
                self._say(uri, index)
                shutil.rmtree(self._restored, ignore_errors=True)
                return progress
            if dist.get_rank() == 0:
                store_for(uri).remove(join(uri, INDEX))  # so that it does not count among those that are kept
        return None

    def _fetch(self, uri: str, index: Checkpoint) -> tuple[Layout, dict[int, Path], dict[str, Json]] | None:
        """What this rank needs of a checkpoint, here and checked; None, with a warning, where it is broken."""
        try:
            layout = Layout.model_validate_json(read_described(uri, index, LAYOUT))
            check_same_model(uri, layout, self.sizes)
            needed = parts_needed(layout, stretches(self.masters.pieces))
            files = {rank: self._bring(uri, rank, layout) for rank in needed}
            return layout, files, dict(json.loads(read_described(uri, index, PROGRESS)))
        except CorruptError as error:
            log.warning("checkpoint passed over, it is not whole: %s", error)
            return None

    def _bring(self, uri: str, rank: int, layout: Layout) -> Path:
        """A rank's file on this machine. Raises CorruptError where it is not what the layout says."""
        file = layout.parts[rank].file
        if file is None:
            raise CorruptError(f"{join(uri, LAYOUT)}: no file of rank {rank}")
        folder = Path(uri) if is_local(uri) else self._restored
        if not is_local(uri):
            try:
                store_for(uri).get(join(uri, file.path), folder / file.path)
            except InputError as error:
                raise CorruptError(str(error)) from None
        check_files(folder, [file], uri)
        return folder / file.path

    @property
    def _restored(self) -> Path:
        """This rank's folder for what it downloads."""
        return self.desk / f"restored-{dist.get_rank()}"

    def _say(self, uri: str, index: Checkpoint) -> None:
        if dist.get_rank():
            return
        ranks = dist.get_world_size()
        log.info(
            "resumed after step %d from %s, written by %d ranks at ZeRO stage %d, read by %d at stage %d: "
            "weights, optimizer, average, losses",
            index.step, uri, index.ranks, index.stage, ranks, self.stage,
        )  # fmt: skip


def everyones(mine: Any, group: Any = None) -> list[Any]:
    """What each rank says, by rank. Collective."""
    said: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(said, mine, group=group)
    return said
