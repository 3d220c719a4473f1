"""The content pipeline through kfp.local, as `platen demo` runs it: real processes, real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from platen import releases
from platen.lineage import verify, walk
from platen.manifest import MANIFEST
from platen.storage import store_for
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


class InBucket:
    """The same demo with its workspace, its run, its prompts and its truth in a bucket."""

    def __init__(self, folder: Path, uri: str, port: int) -> None:
        self.folder, self.workspace, self.run = folder, f"{uri}/ws", f"{uri}/run"
        self.store = store_for(uri)
        drawn = f"scratch/runs/{self.run.removeprefix('gs://')}/sample"  # the demo draws here, and uploads it
        settings = settings_for(folder, port)
        settings["ingest"].update(folder=f"{drawn}/pictures", urls=f"{drawn}/urls.csv")
        settings["generate"]["prompts"] = f"{self.run}/sample/prompts.jsonl"
        settings["notify"]["truth"] = f"{self.run}/sample/truth.json"
        write_settings(folder, {**settings, "workspace": self.workspace, "run": self.run})

    def start(self) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PLATEN_SCRATCH", str(self.folder / "scratch"))
            return run_demo(self.folder)

    def summary(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.store.read(f"{self.run}/summary.json") or b"")
        return told

    def manifests(self) -> dict[str, bytes]:
        places = [
            f"{stage}/{name}/{MANIFEST}"
            for stage in self.store.list(self.workspace)
            for name in self.store.list(f"{self.workspace}/{stage}")
        ]
        found = {place: self.store.read(f"{self.workspace}/{place}") for place in places}
        return {place: data for place, data in found.items() if data is not None}


@pytest.fixture(scope="module")
def in_bucket(bucket: str, port: int, tmp_path_factory: pytest.TempPathFactory) -> InBucket:
    """A run whose workspace and run folder lie in a bucket of the storage emulator."""
    demo = InBucket(tmp_path_factory.mktemp("in-bucket"), f"{bucket}/demo", port)
    assert demo.start() == 0, (demo.folder / "demo.log").read_text()
    return demo


def test_in_a_bucket_the_same_chain_gives_the_same_manifests(in_bucket: InBucket, finished: Path) -> None:
    here, there = manifests(finished), in_bucket.manifests()
    assert {place for place in there if not place.startswith("monitor/")} == {
        place for place in here if not place.startswith("monitor/")
    }
    assert [place for place, data in here.items() if not place.startswith("monitor/") and there[place] != data] == []
    assert {place.partition("/")[0] for place in there} == set(STAGES)


def test_in_a_bucket_the_run_leaves_its_summary_and_report_there(in_bucket: InBucket, finished: Path) -> None:
    told = in_bucket.summary()
    assert (told["outcome"], told["report"]) == ("succeeded", f"{in_bucket.run}/report.html")
    assert told["dropped"] == told["planted"]
    assert {stage["name"] for stage in told["stages"]} == {"sample", *STAGES}
    there = (in_bucket.store.read(f"{in_bucket.run}/report.html") or b"").decode()
    here = (finished / "run" / "report.html").read_text()
    assert there.count("data:image/") == here.count("data:image/") > 20
    assert there.count("<section") == here.count("<section")
    assert not list(in_bucket.folder.glob("gs:*"))


def test_in_a_bucket_lineage_and_digests_hold(in_bucket: InBucket) -> None:
    live = releases.load(in_bucket.workspace).live
    assert live is not None
    walked = [link.folder for link in walk(live.model)]
    assert {folder.manifest.made_by.stage for folder in walked} >= {"train", "encode", "base", "merge", "ingest"}
    assert all(folder.uri.startswith(in_bucket.workspace) and verify(folder.uri) > 0 for folder in walked)


def test_in_a_bucket_the_trial_of_the_release_is_in_the_request_log(in_bucket: InBucket) -> None:
    live = releases.load(in_bucket.workspace).live
    assert live is not None
    folder = releases.request_log(in_bucket.workspace, live.digest)
    [part] = in_bucket.store.list(folder)
    lines = (in_bucket.store.read(f"{folder}/{part}") or b"").splitlines()
    [place] = [place for place in in_bucket.manifests() if place.startswith("monitor/")]
    assert json.loads(in_bucket.manifests()[place])["counts"]["requests"] == len(lines) > 2


def test_in_a_bucket_a_second_run_finds_everything_and_downloads_no_data(in_bucket: InBucket) -> None:
    before = in_bucket.manifests()
    shutil.rmtree(in_bucket.folder / "scratch" / "fetched")
    assert in_bucket.start() == 0, (in_bucket.folder / "demo.log").read_text()
    assert all(stage["cached"] for stage in in_bucket.summary()["stages"])
    assert in_bucket.manifests() == before
    weights = [path.name for path in (in_bucket.folder / "scratch" / "fetched").rglob("*.safetensors")]
    assert weights == []
