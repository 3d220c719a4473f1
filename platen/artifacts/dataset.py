"""A dataset folder: tar shards in the webdataset layout and a Parquet index, one row a sample.

    shards/00000.tar       <key>.<extension> and <key>.txt for each sample (the layout that webdataset reads)
    index/00000.parquet    one row a sample of that shard, columns as in Row
    drops/00000.parquet    one row a sample that this stage left out of it: key, reason, detail, source, caption

Shards are written one at a time and whole: the index of a shard is written last, so a shard with an index is done.
The bytes of a shard depend on nothing but its samples.
"""

from __future__ import annotations

import functools
import io
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platen.core.errors import CorruptError
from platen.core.storage import write_file

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


class Split(StrEnum):
    """Names of the splits that merge divides a dataset into."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Row:
    """What the index says of a sample.

    Attributes:
        key: Stable name, 16 hexadecimal digits; the same source always gives the same key.
        caption: The text as it is after the stage.
        extension: Of the picture's member in the shard: png, jpg or webp; empty where the shard has no pictures.
        width, height: Of the picture as it is after the stage, in pixels; 0 where not known yet.
        sha256: Of the picture's bytes as they came.
        phash: 64-bit perceptual hash as 16 hexadecimal digits; empty where not computed yet.
        source: Path below the source folder, or URL.
        licence: As the source states it, or "unknown".
        split: As in Split; empty before merge.
        scores: Name to number; thresholds on them are applied late.
    """

    key: str
    caption: str
    extension: str = ""
    width: int = 0
    height: int = 0
    sha256: str = ""
    phash: str = ""
    source: str = ""
    licence: str = "unknown"
    split: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """A sample that a stage left out, and why."""

    key: str
    reason: str
    detail: str = ""
    source: str = ""
    caption: str = ""


@functools.cache
def index_schema() -> pa.Schema:
    """The columns of an index, one for each field of Row."""
    import pyarrow as pa

    types = {"width": pa.int32(), "height": pa.int32(), "scores": pa.map_(pa.string(), pa.float64())}
    return pa.schema([(item.name, types.get(item.name, pa.string())) for item in fields(Row)])


@functools.cache
def drop_schema() -> pa.Schema:
    """The columns of a drop report, one for each field of Drop."""
    import pyarrow as pa

    return pa.schema([(item.name, pa.string()) for item in fields(Drop)])


@dataclass(frozen=True, slots=True)
class Sample:
    """A row and the bytes of its picture."""

    row: Row
    image: bytes


def shard_name(number: int) -> str:
    """The name of a shard's files, without extension: five digits."""
    return f"{number:05d}"


def shards_of(folder: Path) -> list[str]:
    """The names of a dataset's shards, in order. A shard counts when its index is there."""
    return sorted(path.stem for path in (folder / "index").glob("*.parquet"))


def is_done(folder: Path, shard: str) -> bool:
    """Whether a shard is written whole."""
    return (folder / "index" / f"{shard}.parquet").exists()


def write_shard(folder: Path, shard: str, samples: Sequence[Sample], drops: Sequence[Drop] = ()) -> None:
    """Write a shard with pictures: the tar, the drops, and last the index."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            _add(tar, f"{sample.row.key}.{sample.row.extension}", sample.image)
            _add(tar, f"{sample.row.key}.txt", sample.row.caption.encode())
    write_file(folder / "shards" / f"{shard}.tar", data.getvalue())
    write_index(folder, shard, [sample.row for sample in samples], drops)


def write_index(folder: Path, shard: str, rows: Sequence[Row], drops: Sequence[Drop] = ()) -> None:
    """Write the drops and then the index of a shard."""
    if drops:
        write_file(folder / "drops" / f"{shard}.parquet", _parquet([asdict(drop) for drop in drops], drop_schema()))
    entries = [{**asdict(row), "scores": list(row.scores.items())} for row in rows]
    write_file(folder / "index" / f"{shard}.parquet", _parquet(entries, index_schema()))


def read_rows(folder: Path, shard: str) -> list[Row]:
    """The index of one shard."""
    path = folder / "index" / f"{shard}.parquet"
    table = read_table(path)
    if table.schema.names != index_schema().names:
        raise CorruptError(f"{path}: columns {table.schema.names}; an index has {index_schema().names}")
    return [replace(Row(**entry), scores=dict(entry["scores"])) for entry in table.to_pylist()]


def read_columns(folder: Path, shard: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of the index of one shard: for what looks at more rows than it can hold."""
    path = folder / "index" / f"{shard}.parquet"
    table = read_table(path, columns)
    if table.schema.names != [*columns]:
        raise CorruptError(f"{path}: columns {table.schema.names} of {[*columns]}; an index has {index_schema().names}")
    return table


def read_index(folder: Path) -> Iterator[Row]:
    """All rows of a dataset, shard by shard."""
    for shard in shards_of(folder):
        yield from read_rows(folder, shard)


def read_drops(folder: Path) -> Iterator[Drop]:
    """All drops of a dataset, shard by shard."""
    for path in sorted((folder / "drops").glob("*.parquet")):
        yield from read_shard_drops(folder, path.stem)


def read_shard_drops(folder: Path, shard: str) -> list[Drop]:
    """The drops of one shard; none where nothing was dropped."""
    path = folder / "drops" / f"{shard}.parquet"
    if not path.exists():
        return []
    table = read_table(path)
    if table.schema.names != drop_schema().names:
        raise CorruptError(f"{path}: columns {table.schema.names}; a drop report has {drop_schema().names}")
    return [Drop(**entry) for entry in table.to_pylist()]


def count_drops(folder: Path) -> dict[str, int]:
    """How many samples were dropped for each reason."""
    return dict(sorted(Counter(drop.reason for drop in read_drops(folder)).items()))


def count_sizes(rows: Iterable[Row]) -> dict[str, int]:
    """How many pictures there are of each size, as in 512x768, width first."""
    return dict(sorted(Counter(f"{row.width}x{row.height}" for row in rows).items()))


def read_shard(folder: Path, shard: str) -> Iterator[Sample]:
    """The samples of a shard in the order of its index, one in memory at a time.

    Raises CorruptError where the tar does not hold what the index says.
    """
    path = folder / "shards" / f"{shard}.tar"
    rows = {f"{row.key}.{row.extension}": row for row in read_rows(folder, shard)}
    try:
        with tarfile.open(path, mode="r:") as tar:
            for member in tar:
                row = rows.pop(member.name, None)
                if row is not None:
                    yield Sample(row, _member(tar, member))
    except (tarfile.TarError, OSError) as error:
        raise CorruptError(f"{path}: not a whole tar file: {error}") from error
    if rows:
        raise CorruptError(f"{path}: {next(iter(rows))} is in the index but not in the shard")


def read_samples(folder: Path) -> Iterator[Sample]:
    """All samples of a dataset, shard by shard."""
    for shard in shards_of(folder):
        yield from read_shard(folder, shard)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # owner and time stay zero: the bytes of a shard depend on its samples alone
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise CorruptError(f"{tar.name!r}: {member.name} is not a file")
    return file.read()


def _parquet(entries: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(entries, schema), sink, compression="zstd")
    return sink.getvalue()


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file, or those of some columns that it has. Raises CorruptError where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read(columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptError(f"{path}: not a complete Parquet file: {error}") from error
