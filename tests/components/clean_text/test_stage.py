"""The stage as a whole: what is committed, and what a kill leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platen.artifacts.dataset import read_drops, read_index, shards_of
from platen.components.clean_text.settings import CleanTextSettings
from platen.components.clean_text.stage import STAGE
from platen.core.stage import run_stage
from tests.tiny_dataset import commit_raw, identities, kill_in_third_shard, sample

CAPTIONS = {
    "a red circle on a white background": None,
    "<p>a red circle</p> on a white background": "html",
    "a red circle on a white background +49 30 90182 4455": "phone",
    "a red circle on a white background, contact me@example.org": "email",
    "a red circle on a white background www.example.org": "url",
    "a red \x07circle on a white background": "control_characters",
}
DROPPED = {
    "<br/>": "empty_caption",
    "red": "caption_too_short",
    "word after word " * 60: "caption_too_long",
    "x" * 20_001: "caption_too_long",
    "ein roter Kreis auf weißem Grund": "wrong_language",
}


def test_repairs_and_drops(tmp_path: Path) -> None:
    texts = [*CAPTIONS, *DROPPED]
    raw = commit_raw(str(tmp_path), [[sample(number, text, b"-") for number, text in enumerate(texts)]])
    folder = run_stage(STAGE, CleanTextSettings(), {"dataset": raw.uri}, str(tmp_path)).folder
    rows = list(read_index(folder.path))
    assert {row.caption for row in rows} == {"a red circle on a white background"}
    assert len(rows) == folder.manifest.counts["samples"] == len(CAPTIONS)
    assert {name: folder.manifest.counts[f"repaired_{name}"] for name in CAPTIONS.values() if name} == dict.fromkeys(
        (name for name in CAPTIONS.values() if name), 1
    )
    assert {drop.caption: drop.reason for drop in read_drops(folder.path)} == {
        text[:1000]: reason for text, reason in DROPPED.items()
    }
    assert folder.manifest.dropped["caption_too_long"] == 2
    assert all(row.sha256 and row.licence == "CC0-1.0" and row.scores["language_en"] > 0.5 for row in rows)
    assert [row.key for row in rows] == sorted(row.key for row in rows)
    assert not (folder.path / "shards").exists()


def test_killed_in_the_middle(tmp_path: Path) -> None:
    shards = [[sample(10 * shard + number, image=b"-") for number in range(10)] for shard in range(4)]
    raw = commit_raw(str(tmp_path / "killed"), shards)
    left = kill_in_third_shard("clean_text", {}, str(tmp_path / "killed"), {"dataset": raw})
    assert shards_of(left) == ["00000", "00001"]
    before = identities(left, ["00000", "00001"])
    resumed = run_stage(STAGE, CleanTextSettings(), {"dataset": raw.uri}, str(tmp_path / "killed")).folder
    assert identities(resumed.path, ["00000", "00001"]) == before
    raw = commit_raw(str(tmp_path / "whole"), shards)
    whole = run_stage(STAGE, CleanTextSettings(), {"dataset": raw.uri}, str(tmp_path / "whole")).folder
    assert resumed.digest == whole.digest
    assert not list((tmp_path / "killed" / "clean_text").glob(".*"))


def test_the_same_input_gives_the_same_digest(tmp_path: Path) -> None:
    raw = commit_raw(str(tmp_path), [[sample(number, image=b"-") for number in range(5)]])
    first = run_stage(STAGE, CleanTextSettings(), {"dataset": raw.uri}, str(tmp_path))
    shutil.rmtree(first.folder.path)
    second = run_stage(STAGE, CleanTextSettings(), {"dataset": raw.uri}, str(tmp_path))
    assert not second.cached
    assert second.folder.digest == first.folder.digest


@pytest.mark.parametrize("stage", ["clean_text", "clean_images", "merge"])
def test_importing_the_stage_brings_nothing_heavy(stage: str) -> None:
    modules = [
        f"platen.components.{stage}.{path.stem}"
        for path in Path(sys.modules[STAGE.work.__module__].__file__ or "").parents[1].joinpath(stage).glob("*.py")
        if path.stem not in ("component", "__init__")
    ]
    heavy = ["numpy", "pyarrow", "cv2", "PIL", "simplejpeg", "py3langid", "torch", "kfp", "scipy", "rich", "httpx"]
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert len(modules) > 3
