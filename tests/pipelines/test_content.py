"""The content pipeline through kfp.local, as `platen demo` runs it: real processes, real files."""

from __future__ import annotations

import json
import math
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from platen.artifacts import releases
from platen.components.notify.notice import notify
from platen.core import records
from platen.core.errors import InputError, PlatenError
from platen.core.lineage import verify, walk
from platen.core.manifest import MANIFEST, decode
from platen.core.outcome import LIVE
from platen.core.records import Record, failed
from platen.core.storage import store_for
from platen.pipelines.backend import connect
from platen.pipelines.content import CHAIN
from platen.pipelines.follow import follow
from platen.pipelines.run_pods import RunPods
from tests.pipelines.kfp_server import Look, kfp_server
from tests.pipelines.small_demo import (
    PREFLIGHT,
    STAGES,
    cached,
    copy_run,
    free_port,
    kill_within,
    manifests,
    outputs,
    run_demo,
    settings_for,
    summary,
    write_settings,
)

RUN_ID = "11111111-1111-1111-1111-111111111111"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


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
    assert [stage["name"] for stage in told["stages"][:3]] == ["sample", PREFLIGHT, "ingest"]
    assert {stage["name"] for stage in told["stages"]} == {"sample", PREFLIGHT, *STAGES}
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


def test_the_user_interface_shows_the_report_as_one_page(finished: Path) -> None:
    page, _ = outputs(finished)["notify", "report"]
    text = page.read_text()
    assert text == (finished / "run" / "report.html").read_text()
    assert text.count('src="data:image/') == text.count("src=") > 20
    assert text.count('href="#') == text.count("href=") > 5
    assert "<link" not in text and "url(" not in text


def test_the_user_interface_shows_what_was_dropped_stage_by_stage(finished: Path) -> None:
    shown, seen = outputs(finished), 0
    for task, output in (("ingest", "drop_report"), ("clean-text", "drop_report"), ("clean-images", "drop_report")):
        manifest = manifest_of(finished, task)
        rows = read_tables(shown[task, output][0])
        kept, dropped = manifest["counts"]["samples"], manifest["dropped"]
        assert (rows["in"], rows["dropped"], rows["out"]) == (kept + sum(dropped.values()), sum(dropped.values()), kept)
        assert len(dropped) > 2 and dropped.items() <= rows.items()
        repaired = {n.removeprefix("repaired_"): c for n, c in manifest["counts"].items() if n.startswith("repaired_")}
        assert repaired.items() <= rows.items()
        seen += len(repaired)
    assert seen == 6
    assert manifest_of(finished, "ingest")["counts"]["sources"] == read_tables(shown["ingest", "drop_report"][0])["in"]


def test_the_user_interface_shows_the_data_card(finished: Path) -> None:
    manifest = manifest_of(finished, "merge")
    rows = read_tables(outputs(finished)["merge", "data_card"][0])
    assert (rows["seen"], rows["samples"]) == (manifest["counts"]["seen"], manifest["counts"]["samples"])
    for part in (manifest["dropped"], manifest["licences"], manifest["facts"]["splits"]):
        assert part and part.items() <= rows.items()


def test_the_user_interface_compares_runs_by_the_numbers_of_the_report(finished: Path) -> None:
    shown = outputs(finished)
    metrics = shown["evaluate", "metrics"][1]
    (report,) = (json.loads(path.read_bytes()) for path in finished.glob("ws/evaluate/*/report.json"))
    for name in ("held_out_loss", "fid", "kid", "clip_score", "retrieval_accuracy"):
        assert [metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"]] == [
            report["metrics"][name][end] for end in ("value", "low", "high")
        ]
    assert metrics["memorised.share"] == report["metrics"]["memorised.share"]["value"]
    trained, told = shown["train", "metrics"][1], summary(finished)["train"]
    assert (trained["steps"], trained["first_loss"], trained["final_loss"], trained["images_per_second"]) == (
        told["steps"],
        told["first_loss"],
        told["last_loss"],
        told["samples_per_second"],
    )
    numbers = [*metrics.values(), *trained.values()]
    assert all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)


def manifest_of(folder: Path, task: str) -> dict[str, Any]:
    """The manifest that a task committed."""
    (path,) = (folder / "ws" / task.replace("-", "_")).glob(f"[0-9a-f]*/{MANIFEST}")
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    return manifest


def read_tables(page: Path) -> dict[str, int]:
    """The rows of a page's tables that have a name and a number."""
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.read_text().splitlines() if line.startswith("| ")]
    named = {row[0].strip().replace("\\", ""): row[1].strip().replace(",", "") for row in cells if len(row) == 2}
    return {name: int(number) for name, number in named.items() if number.isdecimal()}


def test_a_second_run_finds_everything(again: Path) -> None:
    before, shown = manifests(again), outputs(again)
    texts = {
        output: path.read_text() for output, (path, _) in shown.items() if output[1] in ("drop_report", "data_card")
    }
    assert run_demo(again) == 0
    assert all(cached(again).values()), cached(again)
    assert manifests(again) == before
    now = outputs(again)
    assert now["train", "metrics"][0] != shown["train", "metrics"][0]
    assert {output: now[output][0].read_text() for output in texts} == texts
    assert [now[task, "metrics"][1] for task in ("train", "evaluate")] == [
        shown[task, "metrics"][1] for task in ("train", "evaluate")
    ]


def test_a_changed_setting_redoes_only_what_depends_on_it(again: Path, port: int) -> None:
    changed = settings_for(again, port)
    changed["generate"]["guidance_scale"] = 3.0
    write_settings(again, changed)
    assert run_demo(again) == 0
    redone = {name for name, found in cached(again).items() if not found}
    assert redone == {"generate", "evaluate", "gate", "deploy", "monitor"}


def test_a_fault_of_the_last_stages_ends_a_run_before_its_first(again: Path, port: int) -> None:
    """Prompts are read by generate, after the training."""
    changed = settings_for(again, port)
    changed["generate"]["prompts"] = "gone.jsonl"
    changed["evaluate"]["extractor"] = "./no-model"
    write_settings(again, changed)
    assert run_demo(again) == 2
    told = summary(again)
    assert (told["failure"]["stage"], told["failure"]["type"]) == (PREFLIGHT, "InputError")
    assert "1. generate.prompts" in told["failure"]["reason"] and "no-model" in told["failure"]["reason"]
    assert [stage["name"] for stage in told["stages"]] == ["sample", PREFLIGHT]


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


@pytest.mark.parametrize(
    "killed",
    [
        pytest.param(("ingest", "clean_images", "train", "generate", "deploy"), id="some"),
        pytest.param(STAGES, id="every", marks=pytest.mark.soak("the chain is started 13 times")),
    ],
)
def test_killed_in_a_stage_and_run_again_equals_uninterrupted(
    finished: Path, tmp_path: Path, port: int, killed: Sequence[str]
) -> None:
    """kill -9 of the run in the middle of each of these in turn; what was committed before a kill is found after it.

    Some are one of each kind: what fetches, what has a neighbor, what has checkpoints, what keeps parts, what releases.
    """
    write_settings(tmp_path, settings_for(tmp_path, port))
    committed: dict[str, bytes] = {}
    for stage in killed:
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
    assert {stage["name"] for stage in told["stages"]} == {"sample", PREFLIGHT, *STAGES}
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
    assert all(stage["cached"] for stage in in_bucket.summary()["stages"] if stage["name"] != PREFLIGHT)
    assert in_bucket.manifests() == before
    weights = [path.name for path in (in_bucket.folder / "scratch" / "fetched").rglob("*.safetensors")]
    assert weights == []


@dataclass(frozen=True)
class End:
    """A way for a run to end, as a real backend reports it: facts of Kubeflow Pipelines 2.17.0.

    `handler` is what the exit handler is given, `states` are those of the run in its API, `kept` the stages whose
    records there are, `error` the last one's, and `workflow` whether the Workflow was told to end, where it is asked.
    """

    handler: str
    states: tuple[str, ...]
    kept: int
    outcome: str
    code: int
    error: PlatenError | None = None
    workflow: bool | None = None


ENDS = {
    "succeeded": End("COMPLETE", ("RUNNING", "SUCCEEDED"), len(STAGES), "succeeded", 0),
    "a stage failed": End("FAILED", ("RUNNING", "FAILED"), 7, "failed", 2, InputError("gs://b/x: no such object")),
    "a stage was killed": End("FAILED", ("RUNNING", "FAILED"), 7, "failed", 1),
    "a stage was killed with its launcher": End("RUNNING", ("RUNNING", "FAILED"), 7, "failed", 1, workflow=False),
    "cancelled": End("RUNNING", ("RUNNING", "CANCELING", "FAILED"), 7, "cancelled", 3),
    "cancelled, as its Workflow says": End(
        "RUNNING", ("RUNNING", "CANCELING", "FAILED"), 7, "cancelled", 3, workflow=True
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_end_of_a_real_backend_is_reported_rightly(
    finished: Path, tmp_path: Path, end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of a real run, and the states that the backend gave for runs that ended like this."""
    monkeypatch.setattr("platen.components.notify.summary.run_is_cancelled", lambda: end.workflow)
    run = replay(finished, tmp_path, STAGES[: end.kept], end)
    told = notify("", str(finished / "ws"), run, end.handler, "", CHAIN)
    assert (told.outcome, told.failure.exit_code if told.failure else 0) == (end.outcome, end.code)
    assert waited(tmp_path, end) == end.code


@pytest.mark.parametrize(("verdict", "outcome"), [("keep", "succeeded"), ("retrain", "cancelled")])
def test_a_graph_that_is_not_complete_has_succeeded_where_an_if_was_not_taken(
    finished: Path, tmp_path: Path, verdict: str, outcome: str
) -> None:
    """The backend says RUNNING of both; the verdict of the live model's monitor says what was to run."""
    end = End("RUNNING", ("RUNNING", "SUCCEEDED"), 0, outcome, 0)
    run = replay(finished, tmp_path, (), end)
    report = json.loads((finished / "run" / "stages" / "monitor.json").read_bytes())
    watched = shutil.copytree(finished / report["uri"], tmp_path / "watched")
    manifest = decode((watched / MANIFEST).read_bytes(), str(watched))
    told = manifest.model_copy(update={"facts": {**manifest.facts, "verdict": verdict}})
    (watched / MANIFEST).write_bytes(told.encode())
    record = Record.model_validate({**report, "name": LIVE, "uri": str(watched)})
    records.save(run, record)
    assert notify("", str(finished / "ws"), run, "RUNNING", "", (LIVE, *CHAIN)).outcome == outcome


def replay(finished: Path, folder: Path, kept: Sequence[str], end: End) -> str:
    """A run folder with the records of some stages of a finished run, their folders' places made absolute."""
    run = str(folder / "runs" / RUN_ID)
    for record in records.load(str(finished / "run")):
        if record.name in kept:
            records.save(run, record.model_copy(update={"uri": str(finished / str(record.uri))}))
    if end.error is not None:
        records.save(run, failed("train", time.time(), end.error))
    return run


def waited(folder: Path, end: End) -> int:
    """The exit code of `--wait` for a run that ends like this."""
    with kfp_server() as (host, state):
        state.runs[RUN_ID] = {
            "run_id": RUN_ID,
            "state": "PENDING",
            "state_history": [],
            "runtime_config": {"parameters": {"run": str(folder / "runs")}},
            "looks": [Look(found) for found in end.states],
        }
        try:
            follow(connect(host), RUN_ID, RunPods(None, "kubeflow", RUN_ID, STAGES), pause=0.01)
        except PlatenError as error:
            return error.exit_code
        return 0
