"""A data set as ingest leaves it, and a stage that is killed in the middle."""

from __future__ import annotations

import io
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from platen.artifacts.dataset import Drop, Row, Sample, shard_name, write_shard
from platen.core.manifest import canonical, sha256
from platen.core.settings import Settings
from platen.core.stage import Folder, Outcome, Stage, run_stage

KILLED = """
import os, signal, sys
from importlib import import_module
from platen.artifacts import dataset
from platen.core.settings import parse
from platen.core.stage import run_stage

name, settings, workspace, *inputs = sys.argv[1:]
really = dataset.write_file

def write_file(path, data):
    if path.parent.name == "index" and path.stem == "00002":
        os.kill(os.getpid(), signal.SIGKILL)
    really(path, data)

dataset.write_file = write_file
stage = import_module(f"platen.components.{name}.stage").STAGE
run_stage(stage, parse(stage.settings, settings), dict(pair.split("=", 1) for pair in inputs), workspace)
"""


def drawing(number: int, size: tuple[int, int] = (120, 100)) -> Image.Image:
    """One of many pictures that all look different: coloured boxes at random places."""
    random = np.random.default_rng(number)
    picture = Image.new("RGB", size, tuple(int(value) for value in random.integers(0, 256, 3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        left, top = (int(random.integers(0, side - 20)) for side in size)
        wide, high = (int(value) for value in random.integers(10, 60, 2))
        pen.rectangle(
            (left, top, left + wide, top + high), fill=tuple(int(value) for value in random.integers(0, 256, 3))
        )
    return picture


def encoded(picture: Image.Image, name: str = "PNG", **options: object) -> bytes:
    """The file of a picture."""
    data = io.BytesIO()
    picture.save(data, name, **options)
    return data.getvalue()


def sample(number: int, caption: str = "", image: bytes | None = None, **row: str) -> Sample:
    """A sample as ingest leaves it; its key comes from its number, its picture too where none is given."""
    data = encoded(drawing(number)) if image is None else image
    key = sha256(str(number).encode())[:16]
    fields = {"source": f"pictures/{number:05d}.png", "licence": "CC0-1.0", **row}
    text = caption or f"a picture of the boxes with the number {number}"
    return Sample(Row(key=key, caption=text, extension="png", sha256=sha256(data), **fields), data)


def commit_raw(workspace: str, shards: Sequence[Sequence[Sample]], drops: Sequence[Drop] = ()) -> Folder:
    """Commit shards as ingest would; the drops go to the first one."""
    content = [[[one.row.key, one.row.caption, one.row.source, one.row.sha256] for one in shard] for shard in shards]
    told = [[drop.key, drop.reason] for drop in drops]

    def work(settings: Settings, inputs: object, place) -> Outcome:
        for number, samples in enumerate(shards):
            write_shard(place.out, shard_name(number), samples, () if number else drops)
        return Outcome(dropped=Counter(drop.reason for drop in drops))

    stage = Stage(
        name="ingest", version=1, kind="dataset", settings=Settings, inputs={}, work=work,
        outside=lambda *_: {"content": sha256(canonical([content, told]))},
    )  # fmt: skip
    return run_stage(stage, Settings(), {}, workspace).folder


def kill_in_third_shard(
    stage: str, settings: Mapping[str, object], workspace: str, inputs: Mapping[str, Folder]
) -> Path:
    """Run a stage in a process that is killed (SIGKILL) before the third index is written; what it left behind."""
    pairs = [f"{name}={folder.uri}" for name, folder in inputs.items()]
    command = [sys.executable, "-c", KILLED, stage, canonical(dict(settings)).decode(), workspace, *pairs]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    desks = [path for path in (Path(workspace) / stage).glob(".*") if path.is_dir()]
    assert len(desks) == 1
    return desks[0] / "out"


def identities(folder: Path, shards: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file of some shards: equal when none was written again."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stem in shards]
    return {path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
