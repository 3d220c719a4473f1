from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platen.artifacts.dataset import Row, write_index
from platen.artifacts.encoded import (
    LATENTS,
    RECORD,
    ArrayRecord,
    EncodedDataset,
    EncodedRecord,
    describe_arrays,
    write_empty_caption,
    write_shard,
)
from platen.core.errors import CorruptError, InputError
from tests.components.train.small_run import write_encoded

WIDTH = 8
VARYING = frozenset({"prompt_embeds"})


def rows(count: int, shard: int = 0) -> list[Row]:
    return [Row(f"{shard}-{n}", "", width=64, height=64, split="train") for n in range(count)]


def write_ragged(folder: Path, shards: list[list[int]], dtype: str = "float16") -> list[np.ndarray]:
    """Write shards whose captions have these lengths, latents that are each sample's number; the captions."""
    rng = np.random.default_rng(0)
    write_empty_caption(folder, {"prompt_embeds": np.ones((2, WIDTH), dtype), "pooled": np.full(3, 7, dtype)})
    captions: list[np.ndarray] = []
    for shard, lengths in enumerate(shards):
        own = [rng.normal(size=(length, WIDTH)).astype(dtype) for length in lengths]
        numbers = range(len(captions), len(captions) + len(own))
        arrays = {
            LATENTS: [np.full((4, 2, 2), number, dtype) for number in numbers],
            "prompt_embeds": own,
            "pooled": [np.full(3, number, dtype) for number in numbers],
        }
        write_shard(folder, f"{shard:05d}", arrays, rows(len(own), shard), VARYING)
        captions += own
    arrays_record = describe_arrays(folder, VARYING)
    EncodedRecord(family="any", text="embeddings", max_tokens=64, resolution=16, arrays=arrays_record).write(folder)
    return captions


@settings(max_examples=25)  # each writes files to the disk
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
    st.sampled_from(["float16", "float32"]),
)
def test_ragged_arrays_are_read_as_they_were_written(shards: list[list[int]], random, dtype: str) -> None:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as name:
        captions = write_ragged(Path(name), shards, dtype)
        data = EncodedDataset(Path(name))
        wanted = random.sample(range(len(captions)), random.randint(1, len(captions)))
        batch = data.read(np.array(wanted))
        assert len(data) == len(captions)
        assert isinstance(batch["prompt_embeds"], list)
        for number, found in zip(wanted, batch["prompt_embeds"], strict=True):
            assert found.dtype == dtype
            assert np.array_equal(found, captions[number])
        assert np.asarray(batch["pooled"])[:, 0].tolist() == wanted
        assert np.asarray(batch[LATENTS]).shape == (len(wanted), 4, 2, 2)


def test_captions_take_their_own_length_on_the_disk(tmp_path: Path) -> None:
    """512 tokens for the longest would be 4 MB for each caption of T5; few have more than a tenth of them."""
    lengths = [5, 30, 77, 12, 512, 20, 9, 41]
    captions = write_ragged(tmp_path, [lengths])
    stored = sum(path.stat().st_size for path in (tmp_path / "prompt_embeds").iterdir())
    assert stored <= 1.1 * sum(caption.nbytes for caption in captions)


def test_what_was_read_does_not_change_the_files(tmp_path: Path) -> None:
    (caption,) = write_ragged(tmp_path, [[3]])
    for array in EncodedDataset(tmp_path).read(np.array([0])).values():
        np.asarray(array)[:] = 5
    assert np.array_equal(EncodedDataset(tmp_path).read(np.array([0]))["prompt_embeds"][0], caption)


def test_the_record_says_what_arrays_there_are(tmp_path: Path) -> None:
    write_ragged(tmp_path, [[3, 4]])
    data = EncodedDataset(tmp_path)
    assert data.record.arrays == {
        LATENTS: ArrayRecord(dtype="float16", shape=(4, None, None)),
        "pooled": ArrayRecord(dtype="float16", shape=(3,)),
        "prompt_embeds": ArrayRecord(dtype="float16", shape=(None, WIDTH), variable_length=True),
    }
    assert data.record.conditions == ["pooled", "prompt_embeds"]
    assert data.record.variable_length == VARYING
    assert {name: array.shape for name, array in data.empty_caption.items()} == {
        "pooled": (3,),
        "prompt_embeds": (2, WIDTH),
    }


@pytest.mark.parametrize(("text", "says"), [(None, "missing"), ("{}", "family: Field required")])
def test_a_folder_without_a_record_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    write_ragged(tmp_path, [[3]])
    (tmp_path / RECORD).unlink()
    if text is not None:
        (tmp_path / RECORD).write_text(text)
    with pytest.raises(CorruptError, match=rf"encoded\.json: {says}"):
        EncodedDataset(tmp_path)


def test_arrays_are_mapped_and_read_by_index(tmp_path: Path) -> None:
    write_encoded(tmp_path)
    data = EncodedDataset(tmp_path)
    batch = data.read(np.array([30, 0]))
    assert len(data) == 50
    assert np.array_equal(batch[LATENTS][0], np.load(tmp_path / "latents" / "00001.npy")[5])
    assert np.array_equal(batch["prompt_embeds"][1], np.load(tmp_path / "prompt_embeds" / "00000.npy")[0])
    assert data.keys(np.array([30])) == ["1-5"]


def test_what_is_held_out_is_not_numbered(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=12, shards=2)
    for shard in range(2):
        held = [Row(f"{shard}-{n}", "", width=64, height=64, split="train" if n % 3 else "test") for n in range(6)]
        write_index(tmp_path, f"{shard:05d}", held)
    data = EncodedDataset(tmp_path)
    assert data.keys(np.arange(8)) == ["0-1", "0-2", "0-4", "0-5", "1-1", "1-2", "1-4", "1-5"]
    assert np.array_equal(data.read(np.array([6]))[LATENTS][0], np.load(tmp_path / "latents" / "00001.npy")[4])


def test_samples_of_one_size_have_numbers_in_a_row(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=40, shards=4, sizes=[(8, 8), (4, 16)])
    data = EncodedDataset(tmp_path)
    assert data.buckets == [range(20), range(20, 40)]
    assert data.keys(np.array([0, 19, 20, 39])) == ["0-0", "2-9", "1-0", "3-9"]
    shapes = [np.asarray(data.read(np.array(bucket))[LATENTS]).shape for bucket in data.buckets]
    assert shapes == [(20, 4, 8, 8), (20, 4, 4, 16)]


def test_no_training_sample_is_refused(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=1, shards=1)
    write_index(tmp_path, "00000", [Row(key="a", caption="", split="validation")])
    with pytest.raises(InputError, match=r"no sample in the split 'train'"):
        EncodedDataset(tmp_path)


def test_a_shard_of_two_sizes_is_refused(tmp_path: Path) -> None:
    write_encoded(tmp_path, samples=2, shards=1)
    write_index(tmp_path, "00000", [Row("a", "", width=side, split="train") for side in (64, 32)])
    with pytest.raises(CorruptError, match=r"00000\.parquet: images of 2 sizes"):
        EncodedDataset(tmp_path)
