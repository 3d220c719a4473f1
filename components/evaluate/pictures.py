"""The pictures that are compared: generated ones, and real ones of the merged dataset."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from platen.artifacts.dataset import Row, Sample, Split, read_rows, read_shard, shards_of
from platen.artifacts.images import GeneratedImage, read_index
from platen.core.errors import CorruptError, InputError
from platen.core.stage import Folder

TRAINING = (Split.TRAIN,)
HELD_OUT = (Split.VALIDATION, Split.TEST)


class Generated(GeneratedImage):
    """A row of the index of generated images, and the folder it belongs to."""

    folder: Path

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
    return [Generated(folder=folder.path, **row.model_dump()) for row in read_index(folder.path)]


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


def resize(picture: Image.Image, width: int, height: int) -> np.ndarray:
    """Resize the middle of an image to float32 (3, height, width) in [0, 1].

    Resized as clean-fid defines it (Parmar et al. 2022, arXiv 2104.11222): Pillow's bicubic filter, which is widened
    for shrinking, on each channel as floating point, without rounding in between.
    """
    picture = center_crop(picture, width, height)
    channels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1) / 255
    if picture.size == (width, height):
        return channels
    planes = [Image.fromarray(channel) for channel in channels]
    return np.stack([np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes])


def center_crop(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Crop the largest part of a shape in the middle: images have several shapes if clean_images.buckets is set."""
    across = min(picture.width, picture.height * width // height)
    down = min(picture.height, picture.width * height // width)
    left, top = (picture.width - across) // 2, (picture.height - down) // 2
    return picture.crop((left, top, left + across, top + down))
