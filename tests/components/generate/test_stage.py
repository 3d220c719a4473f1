import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from platen.artifacts.model import ModelRecord
from platen.components.generate.settings import GenerateSettings
from platen.components.generate.stage import STAGE
from platen.core.errors import InputError, SettingsError
from platen.core.settings import Settings, section
from platen.core.stage import Outcome, Stage, run_stage

RUN = """
import json, sys
from platen.components.generate.settings import GenerateSettings
from platen.components.generate.stage import STAGE
from platen.core.stage import run_stage
settings, model, workspace = sys.argv[1:]
run_stage(STAGE, GenerateSettings(**json.loads(settings)), {"model": model}, workspace)
"""

RECORDS = ("manifest.json", "run.json")  # of a committed folder


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"a red círcle {n}", "seed": 40 + n, "group": "neutral" if n % 2 else "grid"} for n in range(7)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return GenerateSettings(prompts=str(path), steps=1, batch_size=2, threads=1)


def make(settings, model, workspace):
    return run_stage(STAGE, settings, {"model": model.uri}, str(workspace))


def test_pictures_say_what_made_them(tmp_path, tiny_model, settings):
    folder = make(settings, tiny_model, tmp_path / "ws").folder
    index = [json.loads(line) for line in (folder.path / "index.jsonl").read_text().splitlines()]
    assert index[3] == {"file": "pictures/00003.png", "prompt": "a red círcle 3", "seed": 43, "group": "neutral"}
    assert [row["file"] for row in index] == sorted(f"pictures/{p.name}" for p in folder.path.glob("pictures/*"))
    with Image.open(folder.path / index[3]["file"]) as picture:
        assert picture.text == {"prompt": "a red círcle 3", "seed": "43", "model": tiny_model.digest}
    assert folder.manifest.counts == {"pictures": 7, "prompts": 7, "truncated_prompts": 0}
    assert folder.manifest.facts["groups"] == {"grid": 4, "neutral": 3}


def test_the_prompt_files_content_counts_and_not_its_place(tmp_path, tiny_model, settings):
    first = make(settings, tiny_model, tmp_path / "ws")
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes((tmp_path / "prompts.jsonl").read_bytes())
    elsewhere = make(settings.model_copy(update={"prompts": str(moved)}), tiny_model, tmp_path / "ws")
    assert elsewhere.cached and elsewhere.folder.uri == first.folder.uri
    moved.write_bytes(moved.read_bytes() + b'\n{"prompt": "one more"}')
    longer = make(settings.model_copy(update={"prompts": str(moved)}), tiny_model, tmp_path / "ws")
    assert not longer.cached


def test_killed_in_the_middle_and_run_again_gives_the_same(tmp_path, tiny_model, settings):
    slow = settings.model_copy(update={"batch_size": 1})
    whole = make(slow, tiny_model, tmp_path / "whole").folder
    asked = json.dumps({**slow.model_dump(), "prompts": slow.prompts})
    workspace = tmp_path / "killed"
    command = [sys.executable, "-c", RUN, asked, tiny_model.uri, str(workspace)]
    with subprocess.Popen(command) as process:
        desk = workspace / "generate" / f".{whole.uri.rsplit('/', 1)[1]}" / "out" / "pictures"
        while process.poll() is None and len(list(desk.glob("*.png"))) < 2:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
    left = {path.name: path.stat().st_mtime_ns for path in desk.glob("*.png")}
    assert 2 <= len(left) < 7
    again = make(slow, tiny_model, workspace).folder
    assert again.digest == whole.digest
    assert {name: (again.path / "pictures" / name).stat().st_mtime_ns for name in left} == left


def test_a_missing_prompt_file_is_named(tmp_path, tiny_model):
    with pytest.raises(InputError, match=r"no\.jsonl: no such prompt file"):
        make(GenerateSettings(prompts=str(tmp_path / "no.jsonl")), tiny_model, tmp_path / "ws")


def test_a_bad_prompt_leaves_nothing_committed(tmp_path, tiny_model):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"a red circle\n\xff")
    with pytest.raises(InputError, match=r"bad\.txt: not UTF-8"):
        make(GenerateSettings(prompts=str(path)), tiny_model, tmp_path / "ws")
    assert not list((tmp_path / "ws").rglob("manifest.json"))


def test_a_size_that_no_model_can_make_is_refused_with_the_settings():
    with pytest.raises(SettingsError, match=r"generate\.size: 100 .*multiple of 8"):
        section(GenerateSettings, "generate: {size: 100}", "generate")
    sizes = [section(GenerateSettings, f"generate: {{size: {size}}}", "generate").size for size in ("null", "96")]
    assert sizes == [None, 96]


def test_prompts_that_are_cut_are_counted_and_one_is_shown(tmp_path, tiny_model, caplog):
    path = tmp_path / "prompts.txt"
    path.write_text("a red circle\n" + "a blue square " * 50)
    settings = GenerateSettings(prompts=str(path), steps=1, threads=1)
    assert make(settings, tiny_model, tmp_path / "ws").folder.manifest.counts["truncated_prompts"] == 1
    (warning,) = [record.message for record in caplog.records if "longer than the 32 tokens" in record.message]
    assert warning.startswith("1 of 2 prompts are longer") and "a blue square a blue" in warning


@pytest.mark.parametrize(("size", "expected"), [(None, (72, 48)), (32, (32, 32))])
def test_images_have_the_resolution_the_model_was_trained_at_or_the_size_of_the_settings(
    tmp_path, tiny_model, settings, size, expected
):
    """The case of a base model of 64 x 64 that was trained at another resolution."""
    model = commit_with(tmp_path, tiny_model, lambda out: ModelRecord(family="x", resolution=(72, 48)).write(out))
    folder = make(settings.model_copy(update={"size": size}), model, tmp_path / "ws").folder
    sizes = {Image.open(file).size for file in folder.path.glob("pictures/*.png")}
    assert sizes == {expected}


def test_a_size_that_the_models_patches_do_not_fit_is_refused_before_it_is_loaded(tmp_path, tiny_model, settings):
    def coarser(out):
        config = json.loads((out / "vae/config.json").read_text())
        config["block_out_channels"] += [16]
        (out / "vae/config.json").write_text(json.dumps(config))
        (out / "unet/diffusion_pytorch_model.safetensors").unlink()

    model = commit_with(tmp_path, tiny_model, coarser)
    with pytest.raises(InputError, match=r"generate\.size must be a multiple of 16 for this model \(got 24\)"):
        make(settings.model_copy(update={"size": 24}), model, tmp_path / "ws")


def commit_with(tmp_path, tiny_model, change):
    """Commit the tiny model with a change to its files."""

    def work(settings, inputs, place):
        shutil.copytree(tiny_model.path, place.out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*RECORDS))
        change(place.out)
        return Outcome(counts={})

    stage = Stage(name="train", version=1, kind="model", settings=Settings, inputs={}, work=work)
    return run_stage(stage, Settings(), {}, str(tmp_path / "model")).folder
