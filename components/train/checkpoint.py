"""Checkpoints: written by all ranks, believed only when whole.

checkpoints/00000500/engine/…      DeepSpeed's own files, one set a rank
checkpoints/00000500/ema-0.pt      averaged weights of rank 0
checkpoints/00000500/losses.json   loss of each step so far
checkpoints/00000500/checkpoint.json   files with size and SHA-256; written last, then the folder gets its name
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pydantic import BaseModel, ValidationError

from platen.components.train.ema import Ema
from platen.errors import CorruptError
from platen.manifest import File, check_files, list_files
from platen.storage import saving, write_file
from platen.telemetry import log

INDEX = "checkpoint.json"
ENGINE = "engine"


class Checkpoint(BaseModel):
    """`checkpoint.json`: optimizer steps done, ranks that wrote it, files."""

    step: int
    ranks: int
    files: list[File]


def save(folder: Path, engine: Any, ema: Ema, losses: list[float], keep: int) -> None:
    """Write a checkpoint after `len(losses)` steps and delete all but the newest `keep`. Collective."""
    step = len(losses)
    beside = folder / f"{step:08d}.tmp"
    with saving(str(beside)):
        if dist.get_rank() == 0:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
        dist.barrier()
        engine.save_checkpoint(str(beside), tag=ENGINE)
        torch.save(ema.state(), beside / f"ema-{dist.get_rank()}.pt")
        dist.barrier()
        if dist.get_rank() == 0:
            _commit(beside, folder / f"{step:08d}", losses)
            for old in sorted(folder.glob("[0-9]" * 8))[:-keep]:
                shutil.rmtree(old)
    dist.barrier()


def _commit(beside: Path, final: Path, losses: list[float]) -> None:
    write_file(beside / "losses.json", json.dumps(losses).encode())
    index = Checkpoint(step=len(losses), ranks=dist.get_world_size(), files=list_files(beside))
    write_file(beside / INDEX, index.model_dump_json().encode())
    shutil.rmtree(final, ignore_errors=True)
    beside.rename(final)


def restore(folder: Path, engine: Any, ema: Ema) -> list[float]:
    """Load the newest whole checkpoint; the losses of the steps done, none where there is no checkpoint. Collective."""
    chosen: list[str | None] = [None]
    if dist.get_rank() == 0:
        found = newest_whole(folder, dist.get_world_size())
        chosen = [None if found is None else str(found)]
    dist.broadcast_object_list(chosen, src=0)
    if chosen[0] is None:
        return []
    path = Path(chosen[0])
    engine.load_checkpoint(str(path), tag=ENGINE)
    ema.load(torch.load(path / f"ema-{dist.get_rank()}.pt", map_location=ema.state()[0].device))
    losses: list[float] = json.loads((path / "losses.json").read_bytes())
    if dist.get_rank() == 0:
        log.info("resumed after step %d from %s: weights, optimizer, average", len(losses), path)
    return losses


def newest_whole(folder: Path, ranks: int) -> Path | None:
    """The newest checkpoint whose files are what its index says; broken ones are passed over with a warning."""
    for path in sorted(folder.glob("[0-9]" * 8), reverse=True):
        try:
            index = Checkpoint.model_validate_json((path / INDEX).read_bytes())
            check_files(path, index.files, str(path))
        except (CorruptError, OSError, ValidationError) as error:
            log.warning("checkpoint passed over, it is not whole: %s", error)
            continue
        if index.ranks == ranks:
            return path
        log.warning("checkpoint passed over: %s was written by %d ranks, this run has %d", path, index.ranks, ranks)
    return None
