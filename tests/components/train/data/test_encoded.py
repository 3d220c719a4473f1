from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from platen.components.train.data.encoded import Encoded
from platen.dataset import Row, write_index
from platen.errors import CorruptError, InputError
from platen.stage import Folder
from tests.components.train.small_run import write_encoded


def test_arrays_are_mapped_and_read_by_index(encoded: Folder) -> None:
    data = Encoded(encoded.path)
    latents, text = data.read(np.array([30, 0]))
    assert len(data) == 50
    assert np.array_equal(latents[0], np.load(encoded.path / "latents" / "00001.npy")[5])
    assert np.array_equal(text[1], np.load(encoded.path / "text" / "00000.npy")[0])
    assert data.keys(np.array([30])) == ["1-5"]


def test_what_is_held_out_is_not_numbered(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=12, shards=2)
    for shard in range(2):
        rows = [Row(f"{shard}-{n}", "", width=64, height=64, split="train" if n % 3 else "test") for n in range(6)]
        write_index(tmp_path, f"{shard:05d}", rows)
    data = Encoded(tmp_path)
    assert data.keys(np.arange(8)) == ["0-1", "0-2", "0-4", "0-5", "1-1", "1-2", "1-4", "1-5"]
    assert np.array_equal(data.read(np.array([6]))[0][0], np.load(tmp_path / "latents" / "00001.npy")[4])


def test_samples_of_one_size_have_numbers_in_a_row(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=40, shards=4, sizes=[(8, 8), (4, 16)])
    data = Encoded(tmp_path)
    assert data.buckets == [range(20), range(20, 40)]
    assert data.keys(np.array([0, 19, 20, 39])) == ["0-0", "2-9", "1-0", "3-9"]
    assert [data.read(np.array(bucket))[0].shape for bucket in data.buckets] == [(20, 4, 8, 8), (20, 4, 4, 16)]


def test_no_training_sample_is_refused(tmp_path: Path) -> None:
    for part in ("latents", "text"):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "00000.npy", np.zeros((1, 4)))
    np.save(tmp_path / "unconditional.npy", np.zeros((1, 4)))
    write_index(tmp_path, "00000", [Row(key="a", caption="", split="validation")])
    with pytest.raises(InputError, match=r"no sample in the split 'train'"):
        Encoded(tmp_path)


def test_a_shard_of_two_sizes_is_refused(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=2, shards=1)
    write_index(tmp_path, "00000", [Row("a", "", width=side, split="train") for side in (64, 32)])
    with pytest.raises(CorruptError, match=r"00000\.parquet: pictures of 2 sizes"):
        Encoded(tmp_path)
