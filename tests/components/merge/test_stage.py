"""The stage as a whole: every sample is accounted for, and what a kill leaves."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from platen.artifacts.dataset import Drop, read_drops, read_index, read_samples, shards_of
from platen.components.ingest.settings import IngestSettings
from platen.components.ingest.stage import STAGE as INGEST
from platen.components.merge.settings import MergeSettings
from platen.components.merge.stage import STAGE
from platen.core.errors import CorruptError, InputError, SettingsError
from platen.core.settings import parse
from platen.core.stage import Folder, run_stage
from tests.components.merge.conftest import Prepare, cleaned
from tests.tiny_dataset import commit_raw, drawing, encoded, identities, kill_in_third_shard, sample

BLANK = encoded(Image.new("RGB", (60, 60)))


def run(inputs: dict[str, Folder], workspace: Path, **settings: object) -> Folder:
    uris = {name: folder.uri for name, folder in inputs.items()}
    return run_stage(STAGE, MergeSettings(**settings), uris, str(workspace)).folder


def raw_shards() -> list[list]:
    """12 samples that stay, and every kind of fault once."""
    good = [sample(number) for number in range(12)]
    copy = encoded(drawing(3).resize((108, 90)), "JPEG", quality=80)
    bad = [
        sample(20, image=encoded(drawing(2))),  # exact duplicate of 2
        sample(21, image=copy),  # near duplicate of 3
        sample(22, "<br/>"),
        sample(23, image=BLANK),
        sample(24, "<p></p>", image=BLANK),  # dropped twice: for its text, which comes first
        sample(25, image=b"no picture"),
    ]
    return [[*good[:6], *bad[:2]], [*good[6:], *bad[2:]]]


def test_every_sample_is_kept_or_dropped_for_one_reason(tmp_path: Path, prepare: Prepare) -> None:
    refused = [Drop("00000000000000aa", "http_error", "404", "http://example.org/1.png", "a dog")]
    inputs = prepare(tmp_path, raw_shards(), refused)
    folder = run(inputs, tmp_path)
    drops = list(read_drops(folder.path))
    kept = [row.key for row in read_index(folder.path)]
    expected = {
        "http_error": 1,
        "exact_duplicate": 1,
        "near_duplicate": 1,
        "empty_caption": 2,
        "blank_image": 1,
        "corrupt_image": 1,
    }
    assert folder.manifest.dropped == dict(sorted(expected.items())) == dict(Counter(drop.reason for drop in drops))
    seen = {one.row.key for shard in raw_shards() for one in shard} | {"00000000000000aa"}
    assert sorted([*kept, *(drop.key for drop in drops)]) == sorted(seen)
    assert folder.manifest.counts == {"samples": 12, "seen": 19, "shards": 2}
    assert folder.manifest.facts["resolution"] == 32
    assert sum(folder.manifest.facts["splits"].values()) == 12


def test_a_picture_that_a_table_names_again_is_kept_once(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(encoded(drawing(number)))
        (pictures / f"{number}.txt").write_text(f"a picture of the boxes with the number {number}")
    (pictures / "again.csv").write_text("path,caption\n1.png,a picture of some boxes\n1.png,and the same boxes\n")
    table = IngestSettings(folder=str(pictures), table=str(pictures / "again.csv"))
    workspace = str(tmp_path / "workspace")
    folder = run(cleaned(run_stage(INGEST, table, {}, workspace).folder, workspace), tmp_path / "workspace")
    assert sorted(row.source for row in read_index(folder.path)) == ["0.png", "1.png", "2.png"]
    assert folder.manifest.dropped == {"duplicate_source": 2}
    assert folder.manifest.counts == {"samples": 3, "seen": 5, "shards": 1}


def test_samples_carry_what_both_sides_found(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(1, "<b>a red circle</b> on white"), sample(2)]])
    folder = run(inputs, tmp_path)
    found = {one.row.caption: one for one in read_samples(folder.path)}
    one = found["a red circle on white"]
    assert {"words", "language_en", "contrast", "original_width", "repaired_html"} <= set(one.row.scores)
    assert (one.row.width, one.row.extension, one.row.split) == (32, "png", one.row.split or "no split")
    assert one.row.licence == "CC0-1.0"
    assert Image.open(io.BytesIO(one.image)).size == (32, 32)


def test_card(tmp_path: Path, prepare: Prepare) -> None:
    folder = run(prepare(tmp_path, raw_shards()), tmp_path)
    card = json.loads((folder.path / "card.json").read_bytes())
    assert card["samples"] == 12
    assert card["splits"] == folder.manifest.facts["splits"]
    assert card["licences"] == folder.manifest.licences == {"CC0-1.0": 12}
    assert card["sources"] == {"file": 12}
    assert card["bytes"] == sum(path.stat().st_size for path in folder.path.glob("shards/*"))
    assert {reason: told["count"] for reason, told in card["dropped"].items()} == folder.manifest.dropped
    assert card["dropped"]["corrupt_image"]["examples"][0]["source"] == "pictures/00025.png"


def test_examples_of_what_was_dropped(tmp_path: Path, prepare: Prepare) -> None:
    folder = run(prepare(tmp_path, raw_shards()), tmp_path)
    shown = {path.parent.name: path for path in folder.path.glob("examples/*/*.jpg")}
    assert set(shown) == {"exact_duplicate", "near_duplicate", "empty_caption", "blank_image"}
    dropped = {drop.key: drop.reason for drop in read_drops(folder.path)}
    assert all(dropped[path.stem] == reason for reason, path in shown.items())


def test_killed_in_the_middle(tmp_path: Path, prepare: Prepare) -> None:
    shards = [[sample(10 * shard + number) for number in range(4)] for shard in range(4)]
    inputs = prepare(tmp_path / "killed", shards)
    left = kill_in_third_shard("merge", {}, str(tmp_path / "killed"), inputs)
    assert shards_of(left) == ["00000", "00001"]
    before = identities(left, ["00000", "00001"])
    resumed = run(inputs, tmp_path / "killed")
    assert identities(resumed.path, ["00000", "00001"]) == before
    whole = run(prepare(tmp_path / "whole", shards), tmp_path / "whole")
    assert resumed.digest == whole.digest


def test_nothing_survives(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(number, image=BLANK) for number in range(3)] + [sample(9, "<br/>")]])
    with pytest.raises(InputError, match=r"blank_image 3, empty_caption 1.*clean_images\.min_contrast"):
        run(inputs, tmp_path)
    assert not [path for path in (tmp_path / "merge").iterdir() if not path.name.startswith(".")]


def test_texts_of_another_data_set(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(1), sample(2)]])
    other = prepare(tmp_path, [[sample(3), sample(4)]])
    with pytest.raises(InputError, match=r"Accepted: texts and images that were cleaned from that one data set"):
        run({**inputs, "texts": other["texts"]}, tmp_path)
    with pytest.raises(InputError, match="made from"):
        run({**inputs, "images": other["images"]}, tmp_path)


def test_images_that_are_no_cleaned_pictures(tmp_path: Path, prepare: Prepare) -> None:
    inputs = prepare(tmp_path, [[sample(1), sample(2)]])
    with pytest.raises(CorruptError, match="lacks a score or a perceptual hash"):
        run({**inputs, "images": inputs["texts"]}, tmp_path)
    with pytest.raises(InputError, match="made from no data set"):
        run({**inputs, "images": commit_raw(str(tmp_path), [[sample(1)]])}, tmp_path)


def test_shards_that_do_not_matter_for_who_stays(tmp_path: Path, prepare: Prepare) -> None:
    samples = [one for shard in raw_shards() for one in shard]
    kept = []
    for name, shards in (("a", [samples]), ("b", [samples[::-1]]), ("c", [samples[:5], samples[5:11], samples[11:]])):
        folder = run(prepare(tmp_path / name, shards), tmp_path / name)
        kept.append(sorted((row.key, row.split) for row in read_index(folder.path)))
        shutil.rmtree(tmp_path / name)
    assert kept[0] == kept[1] == kept[2]
    assert len(kept[0]) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("split: {train: 0.9, validation: 0.9, test: 0.1}", "add up to 1.9, not to 1"),
        ("split: {trian: 0.9}", "train"),
        ("max_distance: 64", "max_distance"),
    ],
)
def test_settings_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(MergeSettings, text)
