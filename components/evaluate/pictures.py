"""The pictures that are compared: generated ones, and real ones of the merged dataset."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from platen.dataset import Row, Sample, read_rows, read_shard, shards_of
from platen.errors import CorruptError, InputError
from platen.stage import Folder

TRAINING = ("train",)
HELD_OUT = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Generated:
    """A line of the index of generated pictures, and the folder it belongs to."""

    folder: Path
    file: str
    prompt: str
    seed: int
    group: str

    def read(self) -> Image.Image:
        """The picture."""
        try:
            return decode((self.folder / self.file).read_bytes(), self.file)
        except FileNotFoundError:
            raise CorruptError(f"{self.folder / self.file}: in the index but not in the folder") from None


def read_generated(folder: Folder, model: Folder) -> list[Generated]:
    """The index of generated pictures, in order. Raises InputError where another model made them."""
    made_with = folder.manifest.inputs.get("model")
    if made_with is not None and made_with.digest != model.digest:
        raise InputError(f"{folder.uri}: made with the model {made_with.uri}. Accepted: pictures of {model.uri}")
    path = folder.path / "index.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        pictures = [Generated(folder.path, row["file"], row["prompt"], row["seed"], row["group"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{path}: not an index of generated pictures: {error!r}") from None
    if not pictures:
        raise CorruptError(f"{path}: not an index of generated pictures: it is empty")
    return pictures


def choose_rows(folder: Path, splits: Sequence[str], limit: int, seed: int) -> list[Row]:
    """Rows of some splits, in the order of the shards; a random choice where there are more than `limit`."""
    rows = [row for shard in shards_of(folder) for row in read_rows(folder, shard) if row.split in splits]
    if len(rows) <= limit:
        return rows
    chosen = set(random.Random(seed).sample(sorted(row.key for row in rows), limit))
    return [row for row in rows if row.key in chosen]


def read_real(folder: Path, rows: Sequence[Row]) -> Iterator[Sample]:
    """The samples of some rows, in the rows' order, which is that of the shards; one in memory at a time."""
    wanted = {row.key for row in rows}
    for shard in shards_of(folder):
        if any(row.key in wanted for row in read_rows(folder, shard)):
            yield from (sample for sample in read_shard(folder, shard) if sample.row.key in wanted)


def decode(data: bytes, name: str) -> Image.Image:
    """An RGB picture from its file's bytes. Raises CorruptError where it is none."""
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise CorruptError(f"{name}: not a whole picture: {error}") from None


def resize(picture: Image.Image, side: int) -> np.ndarray:
    """The square in the middle of a picture as float32 (3, side, side) in [0, 1].

    Resized as clean-fid defines it (Parmar et al. 2022, arXiv 2104.11222): Pillow's bicubic filter, which is widened
    for shrinking, on each channel as floating point, without rounding in between.
    """
    picture = centre_square(picture)
    channels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / 255
    if picture.size == (side, side):
        return channels
    planes = [Image.fromarray(channel) for channel in channels]
    return np.stack([np.asarray(plane.resize((side, side), Image.Resampling.BICUBIC)) for plane in planes])


def centre_square(picture: Image.Image) -> Image.Image:
    """The largest square in the middle: training pictures have several shapes where clean_images.buckets is set."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
