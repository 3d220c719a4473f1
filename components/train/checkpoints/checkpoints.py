"""Checkpoints: each rank saves and fetches its own part; believed only when whole.

<shared>/checkpoints/00000500/rank-0/engine/…   DeepSpeed's own files of a rank
<shared>/checkpoints/00000500/rank-0/ema.pt     averaged weights of that rank
<shared>/checkpoints/00000500/losses.json       loss of each step so far
<shared>/checkpoints/00000500/checkpoint.json   files with size and SHA-256; written last: without it there is none

On a file system a rank writes and reads in place; for a bucket by way of a folder on its node.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pydantic import BaseModel, ValidationError

from platen.components.train.job import CHECKPOINT as INDEX
from platen.components.train.optimization.ema import Ema
from platen.errors import CorruptError, InputError, ProcessError
from platen.manifest import File, check_files, list_files, sha256
from platen.storage import is_local, join, saving, store_for
from platen.telemetry import log

LOSSES = "losses.json"
ENGINE, EMA = "engine", "ema.pt"
NO_ROOM = 1 << 20  # bytes


class Checkpoint(BaseModel):
    """`checkpoint.json`: optimizer steps done, ranks that wrote it, files by their path below the checkpoint."""

    step: int
    ranks: int
    files: list[File]

    def part(self, name: str) -> list[File]:
        """The files below one folder, by their path in it."""
        below = f"{name}/"
        return [
            file.model_copy(update={"path": file.path.removeprefix(below)})
            for file in self.files
            if file.path.startswith(below)
        ]


@dataclass(frozen=True)
class Checkpoints:
    """Those of one run.

    Attributes:
        uri: The folder of all of them.
        desk: Folder of this node for files on their way to or from a bucket.
        keep: How many are kept.
    """

    uri: str
    desk: Path
    keep: int

    def save(self, engine: Any, ema: Ema, losses: list[float]) -> None:
        """Write a checkpoint after `len(losses)` steps and delete all but the newest. Collective."""
        uri = join(self.uri, f"{len(losses):08d}")
        if dist.get_rank() == 0:
            store_for(uri).remove(join(uri, INDEX))  # one of this step that was passed over
        dist.barrier()
        parts = everyones(self._save_part(uri, engine, ema))
        if dist.get_rank() == 0:
            self._commit(uri, losses, [file for part in parts for file in part])
        dist.barrier()

    def _save_part(self, uri: str, engine: Any, ema: Ema) -> list[File]:
        name = _part_name()
        part = self._folder(uri, name)
        with saving(str(part), "workspace" if is_local(uri) else "PLATEN_SCRATCH"), full_disk_told(part):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            engine.save_checkpoint(str(part), tag=ENGINE, save_latest=False)
            torch.save(ema.state(), part / EMA)
            files = list_files(part)
        if not is_local(uri):
            for file in files:
                store_for(uri).put(part / file.path, join(uri, name, file.path))
            shutil.rmtree(part)
        return [file.model_copy(update={"path": f"{name}/{file.path}"}) for file in files]

    def _commit(self, uri: str, losses: list[float], files: list[File]) -> None:
        told = json.dumps(losses).encode()
        store_for(uri).write(join(uri, LOSSES), told)
        every = [*files, File(path=LOSSES, size=len(told), sha256=sha256(told))]
        index = Checkpoint(step=len(losses), ranks=dist.get_world_size(), files=every)
        store_for(uri).write(join(uri, INDEX), index.model_dump_json().encode())
        self._tidy(uri)

    def _tidy(self, newest: str) -> None:
        """Delete all but the newest checkpoints, and what saves that were broken off have left; the index first."""
        store = store_for(self.uri)
        others = [uri for uri in self._uris() if uri != newest]
        whole = [uri for uri in others if uri < newest and store.read(join(uri, INDEX)) is not None]
        for uri in set(others) - set(whole[: self.keep - 1]):
            store.remove(join(uri, INDEX))
            store.remove(uri)

    def restore(self, engine: Any, ema: Ema) -> list[float]:
        """Load the newest whole checkpoint; the losses of the steps done, none where there is none. Collective.

        Each rank checks its own part; where one finds it broken, all take the checkpoint before.
        """
        found = everyones(self._found() if dist.get_rank() == 0 else [])[0]
        for uri, index in found:
            part = self._fetch(uri, index)
            if all(everyones(part is not None)):
                assert part is not None  # noqa: S101 - what all have, this one has
                losses = self._load(uri, part, engine, ema)
                if dist.get_rank() == 0:
                    log.info("resumed after step %d from %s: weights, optimizer, average", len(losses), uri)
                return losses
            if dist.get_rank() == 0:
                store_for(uri).remove(join(uri, INDEX))  # so that it does not count among those that are kept
        return []

    def _found(self) -> list[tuple[str, Checkpoint]]:
        """The committed checkpoints that as many ranks wrote as there are now, newest first."""
        found = [(uri, read_index(uri)) for uri in self._uris()]
        return [(uri, index) for uri, index in found if index is not None and _fits(uri, index)]

    def _uris(self) -> list[str]:
        """Every folder named after a step, committed or not, newest first."""
        names = store_for(self.uri).list(self.uri)
        return [join(self.uri, name) for name in sorted(names, reverse=True) if name.isdigit() and len(name) == 8]

    def _fetch(self, uri: str, index: Checkpoint) -> Path | None:
        """This rank's part, on this machine and checked; None, with a warning, where it is not whole."""
        name = _part_name()
        part, files = self._folder(uri, name), index.part(name)
        try:
            if not is_local(uri):
                shutil.rmtree(part, ignore_errors=True)
                for file in files:
                    store_for(uri).get(join(uri, name, file.path), part / file.path)
            check_files(part, files, join(uri, name))
            check_losses(uri, index)
        except InputError as error:
            log.warning("checkpoint passed over, it is not whole: %s", error)
            return None
        return part

    def _load(self, uri: str, part: Path, engine: Any, ema: Ema) -> list[float]:
        if engine.load_checkpoint(str(part), tag=ENGINE)[0] is None:
            raise ProcessError(f"{join(uri, part.name)}: DeepSpeed does not take this checkpoint, though it is whole")
        ema.load(torch.load(part / EMA, map_location=ema.state()[0].device))
        if not is_local(uri):
            shutil.rmtree(part)
        losses: list[float] = json.loads(store_for(uri).read(join(uri, LOSSES)) or b"[]")
        return losses

    def _folder(self, uri: str, name: str) -> Path:
        return Path(uri, name) if is_local(uri) else self.desk / name


def read_index(uri: str) -> Checkpoint | None:
    """The index of a checkpoint; None where it is not committed, with a warning where the index is broken."""
    data = store_for(uri).read(join(uri, INDEX))
    try:
        return None if data is None else Checkpoint.model_validate_json(data)
    except ValidationError as error:
        log.warning("checkpoint passed over: %s is no index: %s", join(uri, INDEX), error.errors()[0]["msg"])
        return None


def check_losses(uri: str, index: Checkpoint) -> None:
    """Raise CorruptError where the losses are not those of the index."""
    data = store_for(uri).read(join(uri, LOSSES))
    if data is None or sha256(data) not in {file.sha256 for file in index.files if file.path == LOSSES}:
        raise CorruptError(f"{join(uri, LOSSES)}: missing, or not what {INDEX} says")


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turn torch's complaint about a write into the reason where that is a full disk, which it does not tell."""
    try:
        yield
    except RuntimeError as error:
        if shutil.disk_usage(folder).free < NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
        raise


def everyones(mine: Any) -> list[Any]:
    """What each rank says, by rank. Collective."""
    said: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(said, mine)
    return said


def _part_name() -> str:
    return f"rank-{dist.get_rank()}"


def _fits(uri: str, index: Checkpoint) -> bool:
    ranks = dist.get_world_size()
    if index.ranks != ranks:
        log.warning("checkpoint passed over: %s was written by %d ranks, this run has %d", uri, index.ranks, ranks)
    return index.ranks == ranks
