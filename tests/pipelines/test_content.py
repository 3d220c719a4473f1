"""The content pipeline through kfp.local, as `platen demo` runs it: real processes, real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen import releases
from platen.lineage import verify, walk
from tests.pipelines.small_demo import (
    STAGES,
    cached,
    copy_run,
    free_port,
    kill_within,
    manifests,
    run_demo,
    settings_for,
    summary,
    write_settings,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, port: int) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("finished")
    write_settings(folder, settings_for(folder, port))
    assert run_demo(folder) == 0, (folder / "demo.log").read_text()
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    copy_run(finished, tmp_path)
    return tmp_path


def test_the_summary_keeps_the_contract(finished: Path) -> None:
    told = summary(finished)
    assert told["outcome"] == "succeeded"
    assert told["stages"][0]["name"] == "sample"
    assert {stage["name"] for stage in told["stages"]} == {"sample", *STAGES}
    assert told["dropped"] == told["planted"]
    assert told["repaired"] == told["planted_repairs"]
    assert told["zero"]["stage"] == 3
    assert told["train"]["steps"] == 12
    assert told["verdict"] == "promote"
    assert told["generated"]["count"] >= 48
    assert Path(told["report"]).is_file()


def test_every_folder_is_what_its_manifest_says(finished: Path) -> None:
    live = releases.load(str(finished / "ws")).live
    assert live is not None
    walked = [link.folder for link in walk(str(finished / live.model))]
    assert {folder.manifest.made_by.stage for folder in walked} >= {"train", "encode", "base", "merge", "ingest"}
    assert all(verify(folder.uri) > 0 for folder in walked)


def test_a_second_run_finds_everything(again: Path) -> None:
    before = manifests(again)
    assert run_demo(again) == 0
    assert all(cached(again).values()), cached(again)
    assert manifests(again) == before


def test_a_changed_setting_redoes_only_what_depends_on_it(again: Path, port: int) -> None:
    changed = settings_for(again, port)
    changed["generate"]["guidance_scale"] = 3.0
    write_settings(again, changed)
    assert run_demo(again) == 0
    redone = {name for name, found in cached(again).items() if not found}
    assert redone == {"generate", "evaluate", "gate", "deploy", "monitor"}


def test_a_gate_that_refuses_fails_the_run_and_leaves_the_live_model(again: Path, port: int) -> None:
    before = releases.load(str(again / "ws"))
    changed = settings_for(again, port)
    changed["train"]["seed"] = 1
    changed["gate"]["rules"][0]["limit"] = 0.0
    write_settings(again, changed)
    assert run_demo(again) == 2
    told = summary(again)
    assert (told["outcome"], told["failure"]["stage"], told["failure"]["type"]) == ("failed", "gate", "GateRefused")
    assert "held_out_loss" in told["failure"]["reason"]
    assert told["release"] is None
    assert releases.load(str(again / "ws")) == before
    assert "held_out_loss" in (again / "run" / "report.html").read_text()


def test_killed_in_every_stage_and_run_again_equals_uninterrupted(finished: Path, tmp_path: Path, port: int) -> None:
    """kill -9 of the run in the middle of each stage in turn; what was committed before a kill is found after it."""
    write_settings(tmp_path, settings_for(tmp_path, port))
    committed: dict[str, bytes] = {}
    for stage in STAGES:
        kill_within(tmp_path, stage)
        now = manifests(tmp_path)
        before = {place: data for place, data in committed.items() if not place.startswith(f"{stage}/")}
        assert before.items() <= now.items()
        committed = now
    assert run_demo(tmp_path) == 0, (tmp_path / "demo.log").read_text()
    found, wanted = (
        {place: data for place, data in manifests(folder).items() if not place.startswith("monitor/")}
        for folder in (tmp_path, finished)
    )  # monitor reports latencies, which no two runs share
    assert found == wanted
    history = [json.loads(path.read_bytes())["loss"] for path in sorted(tmp_path.glob("ws/train/*/history.json"))]
    assert len(history) == 1
    assert len(history[0]) == 12
