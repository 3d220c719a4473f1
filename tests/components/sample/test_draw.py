"""Drawing the whole sample: what is in it, that it is drawn once, and that it is drawn whole."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platen.components.sample.draw import draw
from platen.components.sample.settings import SampleSettings
from platen.components.sample.truth import TRUTH, UNFINISHED, content_digest, drawn, read_truth
from platen.components.sample.web import FAULTS
from platen.core.errors import InputError, SettingsError
from platen.core.settings import build

SMALL = SampleSettings(pictures=48, faults=4, seed=3)
REASONS = {
    "missing_caption", "http_error", "body_too_large", "address_refused", "timed_out", "empty_caption",
    "wrong_language", "caption_too_short", "caption_too_long", "corrupt_image", "truncated_image", "too_small",
    "too_large", "blank_image", "exact_duplicate", "near_duplicate",
}  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_fault_is_planted_and_counted(small: Path) -> None:
    truth = read_truth(small)
    assert truth is not None
    assert set(truth.planted) == REASONS
    assert truth.planted["near_duplicate"] == 8
    assert truth.repaired == dict.fromkeys(("html", "email", "phone", "url", "control_characters", "exif_rotation"), 4)
    assert sum(entry["pictures"] for entry in truth.combinations) == truth.clean == 48


def test_the_truth_counts_every_sample_that_lies_there(small: Path) -> None:
    truth = read_truth(small)
    assert truth is not None
    pictures = [path for path in (small / "pictures").iterdir() if path.suffix in (".png", ".jpg", ".webp")]
    urls = list(csv.DictReader((small / "urls.csv").open(encoding="utf-8", newline="")))
    assert len(pictures) + len(urls) == truth.clean + sum(truth.planted.values())
    without = [path for path in pictures if not path.with_suffix(".txt").exists()]
    assert len(without) == truth.planted["missing_caption"]


def test_urls_name_the_server_of_the_settings_and_their_licence(tmp_path: Path) -> None:
    draw(SampleSettings(pictures=24, faults=1, port=9999, host="pictures.local"), tmp_path / "s")
    rows = list(csv.DictReader((tmp_path / "s" / "urls.csv").open(encoding="utf-8", newline="")))
    clean = [row for row in rows if "/pictures/000" in row["url"]]
    assert len(clean) >= 4
    assert all(row["url"].startswith("http://pictures.local:9999/") for row in clean)
    assert all(row["licence"].startswith("CC") for row in rows)
    assert all((tmp_path / "s" / "web" / row["url"].split("/", 3)[3]).is_file() for row in clean)


def test_a_second_run_touches_nothing(small: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    truth = draw(SMALL, small)
    assert truth == read_truth(small)
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


def test_the_same_settings_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    draw(SMALL, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(small)
    other = draw(SMALL.model_copy(update={"seed": 4}), tmp_path / "other")
    assert other.digest != content_digest(small)


@pytest.mark.parametrize("damage", ["truth_missing", "picture_cut", "picture_gone", "settings_changed"])
def test_a_folder_that_is_not_this_sample_is_drawn_again(small: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small, folder)
    picture = next((folder / "pictures").glob("*.png"))
    if damage == "truth_missing":
        (folder / TRUTH).rename(folder / UNFINISHED)
    elif damage == "picture_cut":
        picture.write_bytes(picture.read_bytes()[:20])
    elif damage == "picture_gone":
        picture.unlink()
    else:
        draw(SMALL.model_copy(update={"pictures": 50}), folder)
    assert drawn(SMALL, folder) is None
    draw(SMALL, folder)
    assert contents(folder) == contents(small)


def test_a_killed_drawing_is_drawn_whole_the_next_time(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    code = (
        "import sys; from pathlib import Path; from platen.components.sample.draw import draw;"
        "from platen.components.sample.settings import SampleSettings;"
        "draw(SampleSettings(pictures=1000), Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    while len(list(folder.glob("pictures/*.png"))) < 5:
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / TRUTH).exists()
    draw(SMALL, folder)
    assert contents(folder) == contents(small)


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="holds something other than a sample"):
        draw(SMALL, tmp_path)
    assert contents(tmp_path) == {"pictures/holiday.jpg": b"mine"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file: a file"):
        draw(SMALL, tmp_path / "file")


def test_too_many_faults_for_the_pictures_are_refused() -> None:
    with pytest.raises(SettingsError, match="faults 10 need 100 pictures; pictures is 50"):
        build(SampleSettings, {"pictures": 50, "faults": 10})


def test_without_a_web_folder_all_pictures_lie_in_the_folder_and_no_fault_of_a_server_is_planted(
    tmp_path: Path,
) -> None:
    settings = SampleSettings(pictures=48, faults=4, web=False)
    truth = draw(settings, tmp_path / "s")
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"pictures", "prompts.jsonl", TRUTH}
    assert set(truth.planted) == REASONS - set(FAULTS)
    pictures = [path for path in (tmp_path / "s" / "pictures").iterdir() if path.suffix in (".png", ".jpg", ".webp")]
    assert len(pictures) == truth.clean + sum(truth.planted.values())
    assert drawn(settings, tmp_path / "s") == truth
    assert drawn(settings.model_copy(update={"web": True}), tmp_path / "s") is None


def test_prompt_file_lies_in_the_sample(small: Path) -> None:
    rows = [json.loads(line) for line in (small / "prompts.jsonl").read_text().splitlines()]
    assert {row["group"] for row in rows} == {"grid", "neutral"}
    assert len(rows) == 96
