"""Which samples all stages kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platen.artifacts.dataset import Drop, read_rows, write_index
from platen.components.merge.join import first_drops, join_shard
from platen.core.errors import CorruptError
from tests.components.merge.conftest import Prepare
from tests.tiny_dataset import sample


def test_inner_join(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(1), sample(2, "<br/>"), sample(3, image=b"none"), sample(4)]])
    candidates, drops = join_shard(inputs, "00000")
    assert [one.key for one in candidates] == sorted(sample(number).row.key for number in (1, 4))
    assert {drop.key: drop.reason for drop in drops} == {
        sample(2).row.key: "empty_caption",
        sample(3).row.key: "corrupt_image",
    }
    assert candidates[0].aspect == 1.2


def test_a_picture_that_ingest_saw_three_times_is_there_once(tmp_path: Path, prepare: Prepare) -> None:
    again = [Drop(sample(1).row.key, "duplicate_source", f"listing {number}") for number in (2, 3)]
    candidates, drops = join_shard(prepare(tmp_path, [[sample(1), sample(2, "<br/>")]], again), "00000")
    assert [one.key for one in candidates] == [sample(1).row.key]
    assert sorted(drop.reason for drop in drops) == ["duplicate_source", "duplicate_source", "empty_caption"]


def test_a_picture_that_ingest_refused_counts_each_time(tmp_path: Path, prepare: Prepare) -> None:
    refused = [Drop("00000000000000aa", "http_error"), Drop("00000000000000aa", "duplicate_source")]
    _, drops = join_shard(prepare(tmp_path, [[sample(1)]], refused), "00000")
    assert drops == refused


def test_first_reason_counts() -> None:
    drops = [Drop("a", "empty_caption"), Drop("b", "too_small"), Drop("a", "blank_image")]
    assert {key: drop.reason for key, drop in first_drops(drops).items()} == {"a": "empty_caption", "b": "too_small"}


@pytest.mark.parametrize("name", ["texts", "images"])
def test_a_sample_that_got_lost(tmp_path: Path, prepare: Prepare, name: str) -> None:
    inputs = prepare(tmp_path, [[sample(1), sample(2)]])
    rows = read_rows(inputs[name].path, "00000")
    write_index(inputs[name].path, "00000", rows[1:])
    with pytest.raises(CorruptError, match=f"{rows[0].key}.*neither kept nor dropped"):
        join_shard(inputs, "00000")


def test_images_without_a_hash(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(1)]])
    rows = [replace(row, phash="") for row in read_rows(inputs["images"].path, "00000")]
    write_index(inputs["images"].path, "00000", rows)
    with pytest.raises(CorruptError, match="lacks a score or a perceptual hash"):
        join_shard(inputs, "00000")
