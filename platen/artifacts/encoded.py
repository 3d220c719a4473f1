"""The encoded dataset: images as latents and captions as named conditions, in memory-mapped arrays.

latents/00000.npy              (samples, channels, height, width), as noise is added to them
<name>/00000.npy               a condition of fixed shape: (samples, ...)
                               or of variable length: (tokens, ...) of all samples one after the other, unpadded, and
<name>/00000.offsets.npy       (samples + 1,) where sample i is rows offsets[i] to offsets[i + 1]
empty_caption/<name>.npy       what the empty caption encodes to, for caption dropout
encoded.json                   EncodedRecord
index/00000.parquet            the rows of the shard, in the order of the arrays; written last

The images of a shard have one size. Which conditions there are is for the model's family to say.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from platen.artifacts.dataset import Row, Split, read_columns, shards_of, write_index
from platen.artifacts.json_file import first_fault
from platen.core.errors import CorruptError, InputError
from platen.core.storage import write_file

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Arrays = dict[str, np.ndarray | list[np.ndarray]]

LATENTS, EMPTY_CAPTION = "latents", "empty_caption"
RECORD = "encoded.json"
TRAIN = Split.TRAIN.value  # the split that is trained on
MAX_MAPPED = 30_000  # files that are mapped at a time: Linux grants a process 65,530 mappings


class ArrayRecord(BaseModel):
    """One named array.

    Attributes:
        dtype: NumPy's name of it, as float16.
        shape: Of one sample; None where it differs from sample to sample.
        variable_length: Whether the first axis, tokens, does: the samples lie unpadded one after the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: str
    shape: tuple[int | None, ...]
    variable_length: bool = False


class EncodedRecord(BaseModel):
    """What an encoded dataset says of itself.

    Attributes:
        family: Name of the family whose encoders made it.
        text: embeddings, or tokens: ids for a text encoder that is trained too.
        max_tokens: Tokens that the text encoder reads of a caption, its marks included.
        resolution: Side of a square with the area of the images, in pixels.
        arrays: By name; those besides latents are conditions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: str
    text: Literal["embeddings", "tokens"]
    max_tokens: PositiveInt
    resolution: PositiveInt
    arrays: dict[str, ArrayRecord]

    @property
    def conditions(self) -> list[str]:
        """Names of the arrays that steer a prediction."""
        return [name for name in self.arrays if name != LATENTS]

    @property
    def variable_length(self) -> frozenset[str]:
        """Names of the arrays whose length differs by sample."""
        return frozenset(name for name, array in self.arrays.items() if array.variable_length)

    @classmethod
    def read(cls, folder: Path) -> EncodedRecord:
        """Read a dataset's record. Raises CorruptError where there is none."""
        file = folder / RECORD
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise CorruptError(f"{file}: missing; an encoded dataset has one since version 4 of encode") from None
        except ValidationError as error:
            raise CorruptError(f"{file}: {first_fault(error)}") from None

    def write(self, folder: Path) -> None:
        """Write the record."""
        write_file(folder / RECORD, self.model_dump_json(indent=1).encode() + b"\n")


def write_empty_caption(folder: Path, conditions: Mapping[str, np.ndarray]) -> None:
    """Write what the empty caption encodes to, without an axis of samples."""
    for name, array in conditions.items():
        _save(folder / EMPTY_CAPTION / f"{name}.npy", array)


def write_shard(
    folder: Path,
    shard: str,
    arrays: Mapping[str, Sequence[np.ndarray]],
    rows: Sequence[Row],
    variable_length: frozenset[str],
) -> None:
    """Write the arrays of a shard and, last, its index.

    Args:
        folder: The dataset.
        shard: Name of the shard.
        arrays: For each name an array per sample.
        rows: The samples' rows, in the same order.
        variable_length: The names whose arrays differ in length.
    """
    import numpy as np

    for name, samples in arrays.items():
        if name in variable_length:
            offsets = np.cumsum([0, *map(len, samples)], dtype=np.int64)
            _save(folder / name / f"{shard}.offsets.npy", offsets)
            _save(folder / name / f"{shard}.npy", np.concatenate(samples))
        else:
            _save(folder / name / f"{shard}.npy", np.stack(samples))
    write_index(folder, shard, rows)


def describe_arrays(folder: Path, variable_length: frozenset[str]) -> dict[str, ArrayRecord]:
    """Describe the arrays of a written dataset by the headers of their files."""
    import numpy as np

    found = {}
    for shard in shards_of(folder)[:1]:
        latents = np.load(folder / LATENTS / f"{shard}.npy", mmap_mode="r")
        found[LATENTS] = ArrayRecord(dtype=str(latents.dtype), shape=(latents.shape[1], None, None))
    for path in sorted((folder / EMPTY_CAPTION).glob("*.npy")):
        array, varies = np.load(path, mmap_mode="r"), path.stem in variable_length
        shape = (None, *array.shape[1:]) if varies else array.shape
        found[path.stem] = ArrayRecord(dtype=str(array.dtype), shape=shape, variable_length=varies)
    return found


def training_rows(folder: Path, shard: str, columns: Sequence[str]) -> pa.Table:
    """Read some columns of a shard's index, of the training samples alone, in the order of its arrays.

    The column `row` says where in the arrays each of them lies.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read_columns(folder, shard, [*columns, "split"])
    rows = pa.array(np.arange(len(table), dtype=np.int32))
    return table.append_column("row", rows).filter(pc.equal(table["split"], TRAIN)).drop_columns("split")


@dataclass(frozen=True)
class Shard:
    """The training samples of a shard: which rows of its arrays they are, and the size of their images in pixels."""

    name: str
    size: tuple[int, int]
    rows: np.ndarray


class EncodedDataset:
    """The training samples of an encoded folder, memory-mapped: opening reads the index, reading copies one batch.

    Samples are numbered by the size of their images, then by shard.

    Attributes:
        record: What the folder says of itself.
        empty_caption: What the empty caption encodes to, by the names of the conditions.
        buckets: The numbers of the samples of each size.
    """

    def __init__(self, folder: Path) -> None:
        import numpy as np

        self.folder = folder
        self.record = EncodedRecord.read(folder)
        self.empty_caption = {name: np.load(folder / EMPTY_CAPTION / f"{name}.npy") for name in self.record.conditions}
        found = (_training_shard(folder, name) for name in shards_of(folder))
        self.shards = sorted((shard for shard in found if len(shard.rows)), key=lambda shard: (shard.size, shard.name))
        if not self.shards:
            raise InputError(f"{folder}: no sample in the split {TRAIN!r}; see merge.split in the settings")
        self._starts = np.cumsum([0, *(len(shard.rows) for shard in self.shards)])
        self.buckets = list(self._find_buckets())
        files = len(self.record.arrays) + len(self.record.variable_length)  # of a shard
        self._arrays = functools.lru_cache(MAX_MAPPED // files)(self._map)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encoded")
        self._prefetched: Future[object] | None = None

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, indices: np.ndarray) -> Arrays:
        """Read the arrays of some samples of one size by name.

        Returns:
            An array (n, ...) for those of fixed shape, a list of n arrays (tokens, ...) for those of variable length.
        """
        import numpy as np

        places = [(self._arrays(shard.name), int(shard.rows[place])) for shard, place in self._places(indices)]
        batch: Arrays = {}
        for name, array in self.record.arrays.items():
            if array.variable_length:
                bounds = [arrays[f"{name}.offsets"][row : row + 2] for arrays, row in places]
                batch[name] = [
                    arrays[name][start:stop].copy() for (arrays, _), (start, stop) in zip(places, bounds, strict=True)
                ]
            else:
                batch[name] = np.stack([arrays[name][row] for arrays, row in places])
        return batch

    def prefetch(self, indices: np.ndarray) -> None:
        """Have samples that will be read soon brought from the disk to memory meanwhile; returns at once.

        They are read and thrown away: while NumPy copies, which is when the disk is waited for, other threads go on.
        """
        if self._prefetched is None or self._prefetched.done():
            self._prefetched = self._thread.submit(self.read, indices)

    def keys(self, indices: np.ndarray) -> list[str]:
        """Read the keys of some samples from the index."""
        keys = functools.cache(lambda name: training_rows(self.folder, name, ["key"])["key"])
        return [keys(shard.name)[place].as_py() for shard, place in self._places(indices)]

    def _places(self, indices: np.ndarray) -> list[tuple[Shard, int]]:
        """Find the shard of each sample, and its place among the training samples there."""
        import numpy as np

        numbers = np.searchsorted(self._starts, indices, side="right") - 1
        places = indices - self._starts[numbers]
        return [(self.shards[number], place) for number, place in zip(numbers.tolist(), places.tolist(), strict=True)]

    def _find_buckets(self) -> Iterator[range]:
        sizes = [shard.size for shard in self.shards]
        firsts = [number for number, size in enumerate(sizes) if number == 0 or size != sizes[number - 1]]
        starts = [int(self._starts[first]) for first in firsts]
        yield from (range(start, stop) for start, stop in zip(starts, [*starts[1:], len(self)], strict=True))

    def _map(self, shard: str) -> dict[str, np.ndarray]:
        """Map the arrays of a shard by name, and beside those of variable length their `<name>.offsets`."""
        import numpy as np

        files = {name: self.folder / name / f"{shard}.npy" for name in self.record.arrays}
        for name in self.record.variable_length:
            files[f"{name}.offsets"] = self.folder / name / f"{shard}.offsets.npy"
        return {name: np.load(file, mmap_mode="r").view(np.ndarray) for name, file in files.items()}


def _training_shard(folder: Path, name: str) -> Shard:
    rows = training_rows(folder, name, ["width", "height"])
    sizes = [(size["width"], size["height"]) for size in rows.group_by(["width", "height"]).aggregate([]).to_pylist()]
    if len(sizes) > 1:
        raise CorruptError(f"{folder}/index/{name}.parquet: images of {len(sizes)} sizes; a shard has arrays of one")
    return Shard(name, sizes[0] if sizes else (0, 0), rows["row"].to_numpy())


def _save(path: Path, array: np.ndarray) -> None:
    """Write an array whole, or not at all."""
    import numpy as np

    data = io.BytesIO()
    np.save(data, array)
    write_file(path, data.getvalue())
