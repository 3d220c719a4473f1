"""Shards and indices: what is written is read, and what is broken is told."""

from __future__ import annotations

import math
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platen.artifacts import dataset
from platen.artifacts.dataset import Drop, Row, Sample
from platen.core.errors import CorruptError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ROWS = st.builds(
    Row,
    key=st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}"),
    caption=TEXT,
    extension=st.sampled_from(["png", "jpg", "webp", "bin"]),
    width=st.integers(0, 2**31 - 1),
    height=st.integers(0, 2**31 - 1),
    sha256=TEXT,
    phash=TEXT,
    source=TEXT,
    licence=TEXT,
    split=st.sampled_from(["", "train", "validation", "test"]),
    scores=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
)
SAMPLES = st.lists(st.builds(Sample, ROWS, st.binary(max_size=2000)), max_size=5, unique_by=lambda one: one.row.key)
DROPS = st.lists(st.builds(Drop, TEXT, TEXT, TEXT, TEXT, TEXT), max_size=4)
ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def three(start: int = 0) -> list[Sample]:
    rows = [
        Row(key=f"{number:016x}", caption=f"caption {number}", extension="png") for number in range(start, start + 3)
    ]
    return [Sample(row, row.key.encode() * 100) for row in rows]


@ONE_FOLDER
@given(SAMPLES, DROPS)
def test_what_is_written_is_read(tmp_path: Path, samples: list[Sample], drops: list[Drop]) -> None:
    folder = tmp_path / "round"
    for path in folder.rglob("*.parquet"):
        path.unlink()
    dataset.write_shard(folder, "00000", samples, drops)
    assert list(dataset.read_samples(folder)) == samples
    assert list(dataset.read_index(folder)) == [sample.row for sample in samples]
    assert list(dataset.read_drops(folder)) == drops
    assert sum(dataset.count_drops(folder).values()) == len(drops)


@ONE_FOLDER
@given(SAMPLES, DROPS)
def test_bytes_depend_on_the_samples_alone(tmp_path: Path, samples: list[Sample], drops: list[Drop]) -> None:
    for name in ("one", "two"):
        for path in (tmp_path / name).rglob("*.parquet"):
            path.unlink()
        dataset.write_shard(tmp_path / name, "00000", samples, drops)
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("one", "two")]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert len(files[0]) == len(files[1]) == 2 + bool(drops)


@ONE_FOLDER
@given(st.data())
def test_a_changed_sample_changes_the_bytes(tmp_path: Path, data: st.DataObject) -> None:
    samples = three()
    dataset.write_shard(tmp_path, "00000", samples)
    before = (tmp_path / "shards" / "00000.tar").read_bytes()
    number = data.draw(st.integers(0, 2))
    image = data.draw(st.binary(max_size=50))
    samples[number] = replace(samples[number], image=image)
    dataset.write_shard(tmp_path, "00000", samples)
    assert (tmp_path / "shards" / "00000.tar").read_bytes() != before


def test_webdataset_layout(tmp_path: Path) -> None:
    dataset.write_shard(tmp_path, "00000", three())
    with tarfile.open(tmp_path / "shards" / "00000.tar") as tar:
        names = tar.getnames()
        caption = tar.extractfile("0000000000000001.txt")
        assert caption is not None
        assert caption.read() == b"caption 1"
    assert names[:2] == ["0000000000000000.png", "0000000000000000.txt"]
    assert pq.read_schema(tmp_path / "index" / "00000.parquet").names == list(Row.__dataclass_fields__)


def test_a_shard_without_an_index_is_not_there(tmp_path: Path) -> None:
    dataset.write_shard(tmp_path, "00000", three())
    dataset.write_shard(tmp_path, "00001", three(10))
    (tmp_path / "index" / "00001.parquet").unlink()
    assert dataset.shards_of(tmp_path) == ["00000"]
    assert not dataset.is_done(tmp_path, "00001")
    assert len(list(dataset.read_samples(tmp_path))) == 3


def test_a_shard_of_which_nothing_was_kept_is_done(tmp_path: Path) -> None:
    dataset.write_shard(tmp_path, "00000", [], [Drop("k", "too_small")])
    assert dataset.is_done(tmp_path, "00000")
    assert list(dataset.read_samples(tmp_path)) == []
    assert dataset.count_drops(tmp_path) == {"too_small": 1}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.8])
def test_truncated_tar(tmp_path: Path, share: float) -> None:
    dataset.write_shard(tmp_path, "00000", three())
    path = tmp_path / "shards" / "00000.tar"
    whole = path.read_bytes()
    data_ends = whole.rindex(b"caption 2") + len(b"caption 2")
    path.write_bytes(whole[: math.floor(data_ends * share)])
    with pytest.raises(CorruptError, match=r"00000\.tar"):
        list(dataset.read_shard(tmp_path, "00000"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("part", ["index", "drops"])
def test_truncated_parquet(tmp_path: Path, part: str, share: float) -> None:
    dataset.write_shard(tmp_path, "00000", three(), [Drop("k", "too_small")])
    path = tmp_path / part / "00000.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: math.floor(len(whole) * share)])
    with pytest.raises(CorruptError, match=r"00000\.parquet"):
        list(dataset.read_index(tmp_path) if part == "index" else dataset.read_drops(tmp_path))


def test_tar_without_a_sample_of_the_index(tmp_path: Path) -> None:
    dataset.write_shard(tmp_path, "00000", three())
    dataset.write_index(tmp_path, "00000", [sample.row for sample in three() + three(7)])
    with pytest.raises(CorruptError, match=r"0000000000000007\.png is in the index but not in the shard"):
        list(dataset.read_shard(tmp_path, "00000"))


def test_missing_tar(tmp_path: Path) -> None:
    dataset.write_shard(tmp_path, "00000", three())
    (tmp_path / "shards" / "00000.tar").unlink()
    with pytest.raises(CorruptError, match=r"00000\.tar"):
        list(dataset.read_shard(tmp_path, "00000"))


@pytest.mark.parametrize("part", ["index", "drops"])
def test_parquet_with_other_columns(tmp_path: Path, part: str) -> None:
    dataset.write_shard(tmp_path, "00000", three(), [Drop("k", "too_small")])
    path = tmp_path / part / "00000.parquet"
    pq.write_table(dataset.read_table(path).drop_columns(["source"]), path)
    with pytest.raises(CorruptError, match="columns"):
        list(dataset.read_index(tmp_path) if part == "index" else dataset.read_drops(tmp_path))


@given(st.lists(st.integers(), max_size=50), st.integers(1, 9))
def test_chunks(items: list[int], size: int) -> None:
    parts = list(dataset.chunks(items, size))
    assert [item for part in parts for item in part] == items
    assert all(len(part) == size for part in parts[:-1])
    assert all(parts)
