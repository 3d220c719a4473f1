"""The stage as a whole: what is committed, and what a kill leaves."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from platen.artifacts.dataset import read_drops, read_samples, shards_of
from platen.components.clean_images.settings import CleanImagesSettings
from platen.components.clean_images.stage import STAGE
from platen.core.errors import SettingsError
from platen.core.settings import parse
from platen.core.stage import run_stage
from tests.tiny_dataset import commit_raw, drawing, encoded, identities, kill_in_third_shard, sample

SMALL = {"resolution": 32, "min_side": 16, "format": "png", "max_pixels": 100_000}


def turned(number: int) -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return encoded(drawing(number), "JPEG", exif=exif)


BAD = {
    "corrupt_image": b"<!doctype html>",
    "truncated_image": encoded(drawing(1), "JPEG")[:1500],
    "too_small": encoded(drawing(2).resize((15, 60))),
    "too_large": encoded(Image.new("1", (20_000, 20_000))),
    "blank_image": encoded(Image.new("RGB", (90, 90), (90, 140, 200)), "JPEG"),
}


@pytest.mark.parametrize("workers", [1, 4])
def test_pictures_and_drops(tmp_path: Path, workers: int) -> None:
    good = [encoded(drawing(10)), encoded(drawing(11), "WEBP"), turned(12)]
    raw = commit_raw(str(tmp_path), [[sample(n, image=data) for n, data in enumerate([*good, *BAD.values()])]])
    folder = run_stage(STAGE, CleanImagesSettings(**SMALL, workers=workers), {"dataset": raw.uri}, str(tmp_path)).folder
    samples = list(read_samples(folder.path))
    assert {drop.reason for drop in read_drops(folder.path)} == set(BAD)
    assert folder.manifest.dropped == dict.fromkeys(sorted(BAD), 1)
    assert folder.manifest.counts == {"repaired_exif_rotation": 1, "samples": 3}
    assert folder.manifest.facts == {"resolution": 32}
    assert [one.row.key for one in samples] == sorted(one.row.key for one in samples)
    sizes = {(one.row.scores["original_width"], one.row.scores["original_height"]) for one in samples}
    assert sizes == {(120.0, 100.0), (100.0, 120.0)}
    assert all(Image.open(io.BytesIO(one.image)).size == (one.row.width, one.row.height) == (32, 32) for one in samples)
    assert np.load(folder.path / "thumbnails" / "00000.npy").shape == (3, 16, 16, 3)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_that_lies_on_its_side_has_the_sizes_of_the_upright_one(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    lying = encoded(drawing(1, (200, 100)), name, exif=exif)
    raw = commit_raw(str(tmp_path), [[sample(1, image=lying)]])
    chosen = CleanImagesSettings(**SMALL, buckets={"step": 8})
    folder = run_stage(STAGE, chosen, {"dataset": raw.uri}, str(tmp_path)).folder
    [row] = [one.row for one in read_samples(folder.path)]
    assert (row.width, row.height) == (24, 40)
    assert (row.scores["original_width"], row.scores["original_height"]) == (100.0, 200.0)


def test_pictures_keep_about_their_shape(tmp_path: Path) -> None:
    drawn = [drawing(number, size) for number, size in enumerate([(120, 100), (200, 100), (100, 200), (210, 100)])]
    raw = commit_raw(str(tmp_path), [[sample(n, image=encoded(picture)) for n, picture in enumerate(drawn)]])
    chosen = CleanImagesSettings(**SMALL, buckets={"step": 8})
    folder = run_stage(STAGE, chosen, {"dataset": raw.uri}, str(tmp_path)).folder
    assert folder.manifest.facts == {"resolution": 32, "sizes": {"24x40": 1, "32x32": 1, "40x24": 2}}
    for one in read_samples(folder.path):
        assert Image.open(io.BytesIO(one.image)).size == (one.row.width, one.row.height)


def test_workers_change_nothing(tmp_path: Path) -> None:
    digests = set()
    for workers in (1, 3):
        workspace = str(tmp_path / str(workers))
        raw = commit_raw(workspace, [[sample(number) for number in range(12)]])
        settings = CleanImagesSettings(**SMALL, workers=workers)
        digests.add(run_stage(STAGE, settings, {"dataset": raw.uri}, workspace).folder.digest)
    assert len(digests) == 1
    assert "workers" not in CleanImagesSettings(workers=3).model_dump(mode="json")


def test_killed_in_the_middle(tmp_path: Path) -> None:
    shards = [[sample(10 * shard + number) for number in range(5)] for shard in range(4)]
    raw = commit_raw(str(tmp_path / "killed"), shards)
    left = kill_in_third_shard("clean_images", SMALL, str(tmp_path / "killed"), {"dataset": raw})
    assert shards_of(left) == ["00000", "00001"]
    assert (left / "shards" / "00002.tar").exists()
    before = identities(left, ["00000", "00001"])
    settings = CleanImagesSettings(**SMALL)
    resumed = run_stage(STAGE, settings, {"dataset": raw.uri}, str(tmp_path / "killed")).folder
    assert identities(resumed.path, ["00000", "00001"]) == before
    raw = commit_raw(str(tmp_path / "whole"), shards)
    whole = run_stage(STAGE, settings, {"dataset": raw.uri}, str(tmp_path / "whole")).folder
    assert resumed.digest == whole.digest


@pytest.mark.parametrize("text", ["resolution: 100", "format: gif", "quality: 0", "min_sides: 3"])
def test_settings_that_cannot_be(text: str) -> None:
    with pytest.raises(SettingsError, match=text.partition(":")[0]):
        parse(CleanImagesSettings, text)
