"""What says that a checkpoint is one, and what is in it.

<shared>/checkpoints/00000500/rank-0/state.safetensors   what a rank's optimizer held, see state.py
<shared>/checkpoints/00000500/progress.json              the loss of each step so far, and what else a resume needs
<shared>/checkpoints/00000500/layout.json                which numbers of which parameter lie where
<shared>/checkpoints/00000500/checkpoint.json            all of these with size and SHA-256; written last
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError

from platen.components.train.job import CHECKPOINT as INDEX
from platen.components.train.job import folder_of, steps_below
from platen.core.errors import CorruptError, InputError
from platen.core.manifest import File, Json, canonical, sha256
from platen.core.storage import join, store_for
from platen.core.telemetry import log

PROGRESS, LAYOUT, STATE = "progress.json", "layout.json", "state.safetensors"

Stretch = tuple[str, int, int]  # a parameter's name, and of it flattened the first number and how many


class Part(BaseModel):
    """What a rank saved: the stretches that lie in its file end to end, and what the optimizer keeps besides."""

    stretches: list[Stretch]
    updates: float
    scaler: dict[str, float]
    file: File | None = None


class Layout(BaseModel):
    """`layout.json`: every rank's part; the whole size of each parameter."""

    parts: list[Part]
    sizes: dict[str, int]


class Checkpoint(BaseModel):
    """`checkpoint.json`: steps done, who wrote it, mean loss of the steps since the one before, files by path below.

    `base` is the digest of the model that training began with; empty where it is not known.
    """

    step: int
    base: str = ""
    ranks: int
    stage: int
    loss: float | None
    files: list[File]


def rank_folder(rank: int) -> str:
    """Where a rank's file lies below a checkpoint."""
    return f"rank-{rank}"


def commit(uri: str, index: Checkpoint, layout: Layout, progress: Mapping[str, Json]) -> None:
    """Write what describes a checkpoint whose parts are there; the index last."""
    told = {PROGRESS: canonical(dict(progress)), LAYOUT: layout.model_dump_json().encode()}
    files = [*index.files]
    for name, data in told.items():
        store_for(uri).write(join(uri, name), data)
        files.append(File(path=name, size=len(data), sha256=sha256(data)))
    whole = index.model_copy(update={"files": files})
    store_for(uri).write(join(uri, INDEX), whole.model_dump_json().encode())


def folders(uri: str) -> list[str]:
    """Every folder below named after a step, committed or not, newest first."""
    return [join(uri, folder_of(step)) for step in steps_below(uri)]


def committed(uri: str) -> list[tuple[str, Checkpoint]]:
    """The checkpoints below a URI that have an index, newest first."""
    found = [(folder, read_index(folder)) for folder in folders(uri)]
    return [(folder, index) for folder, index in found if index is not None]


def read_index(uri: str) -> Checkpoint | None:
    """The index of a checkpoint; None where it is not committed, with a warning where the index is broken."""
    data = store_for(uri).read(join(uri, INDEX))
    try:
        return None if data is None else Checkpoint.model_validate_json(data)
    except ValidationError as error:
        log.warning("checkpoint passed over: %s is no index: %s", join(uri, INDEX), error.errors()[0]["msg"])
        return None


def read_described(uri: str, index: Checkpoint, name: str) -> bytes:
    """A small file of a checkpoint. Raises CorruptError where it is not what the index says."""
    data = store_for(uri).read(join(uri, name))
    if data is None or sha256(data) not in {file.sha256 for file in index.files if file.path == name}:
        raise CorruptError(f"{join(uri, name)}: missing, or not what {INDEX} says")
    return data


def check_same_model(uri: str, layout: Layout, sizes: Mapping[str, int]) -> None:
    """Raise InputError where a checkpoint is of another model, CorruptError where numbers are missing in it."""
    differ = [name for name in {*layout.sizes, *sizes} if layout.sizes.get(name) != sizes.get(name)]
    if differ:
        name = min(differ)
        raise InputError(
            f"{uri}: a checkpoint of another model: {name} has {layout.sizes.get(name, 'no')} numbers there and "
            f"{sizes.get(name, 'none')} here ({len(differ)} such parameters). Accepted: one of the same base model"
        )
    held = dict.fromkeys(sizes, 0)
    for part in layout.parts:
        for name, _, length in part.stretches:
            held[name] += length
    missing = [name for name, size in sizes.items() if held[name] != size]
    if missing:
        raise CorruptError(
            f"{join(uri, LAYOUT)}: {held[missing[0]]} numbers of {missing[0]}; it has {sizes[missing[0]]}"
        )


def parts_needed(layout: Layout, mine: Sequence[Stretch]) -> list[int]:
    """The ranks that wrote any of the numbers that a rank holds now."""
    wanted = {name: (start, start + length) for name, start, length in mine}
    return [rank for rank, part in enumerate(layout.parts) if any(_meet(stretch, wanted) for stretch in part.stretches)]


def _meet(stretch: Stretch, wanted: Mapping[str, tuple[int, int]]) -> bool:
    name, start, length = stretch
    first, end = wanted.get(name, (0, 0))
    return max(first, start) < min(end, start + length)
