from __future__ import annotations

from pathlib import Path

import pytest

from platen.artifacts.dataset import Row, write_index
from platen.components.train.data.settings import DataSettings
from platen.components.train.data.sources import numbers_of
from platen.core.errors import SettingsError
from platen.core.settings import build

SOURCES = ["photos/a.png", "photos/night/b.png", "https://example.com/c.png", "photographs/d.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard, sources in enumerate([SOURCES, SOURCES[:1]]):
        rows = [Row(str(number), "", source=source, split="train") for number, source in enumerate(sources)]
        write_index(tmp_path, f"{shard:05d}", [Row("held out", "", source="else/e.png", split="test"), *rows])
    return tmp_path


def test_the_longest_name_counts_and_ends_at_a_slash(folder: Path) -> None:
    weights = {"photos": 1, "photographs": 1, "https://example.com": 2, "photos/night/": 0}
    found = numbers_of(folder, weights)
    assert {shard: numbers.tolist() for shard, numbers in found.items()} == {"00000": [0, 3, 2, 1], "00001": [0]}


def test_an_unknown_source_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"train\.data\.weights: 'photo': no training sample.*photos \(did you mean"
    ):
        numbers_of(folder, {"photo": 1})


def test_a_source_that_is_only_held_out_is_unknown(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"'else': no training sample.*https://example\.com"):
        numbers_of(folder, {"else": 1})


def test_samples_without_a_weight_are_refused_with_one_of_them(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"1 training samples lie below none of .*, e\.g\. photographs/d\.png"):
        numbers_of(folder, {"photos": 1, "https://example.com": 1})


def test_pictures_in_no_folder_have_no_source(tmp_path: Path) -> None:
    write_index(tmp_path, "00000", [Row("a", "", source="a.png", split="train")])
    with pytest.raises(SettingsError, match=r"Accepted: \{\}; no sample lies in a folder of its own"):
        numbers_of(tmp_path, {"photos": 1})


@pytest.mark.parametrize(
    ("weights", "told"),
    [({"photos": 0}, "every weight is 0"), ({"photos": -1}, "greater than or equal"), ({"photos": "inf"}, "finite")],
)
def test_weights_that_weigh_nothing(weights: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=rf"train\.data\.weights.*{told}"):
        build(DataSettings, {"weights": weights}, "run.yaml", "train.data")
