"""Deploy with real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from platen.artifacts import releases
from platen.components.deploy.rollback import rollback
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.stage import STAGE
from platen.core.errors import CorruptError, GateRefused, InputError, ProcessError
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, open_folder, run_stage
from tests.components.deploy.conftest import Bench, report
from tests.tiny_model import commit_tiny_model, write_tiny_model

RUN = """
import sys
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.stage import STAGE
from platen.core.stage import run_stage
model, report, decision, workspace = sys.argv[1:]
inputs = {"model": model, "report": report, "decision": decision}
run_stage(STAGE, DeploySettings(smoke_requests=5000, device="cpu"), inputs, workspace)
"""


def servers(model: Folder) -> list[psutil.Process]:
    """The processes that serve a model."""
    lines = [(process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [process for process, line in lines if model.uri in line and "--port" in line]


def requests(bench: Bench, model: Folder) -> list[dict[str, object]]:
    parts = Path(releases.request_log(bench.workspace, model.digest)).glob("*.jsonl")
    return [json.loads(line) for part in sorted(parts) for line in part.read_text().splitlines()]


def live(bench: Bench) -> list[str]:
    return [release.digest for release in releases.load(bench.workspace).history]


def commit_broken_model(workspace: str) -> Folder:
    """A committed model whose manifest is right, but whose network has no weights."""

    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        write_tiny_model(place.out)
        (place.out / "unet" / "diffusion_pytorch_model.safetensors").unlink()
        return Outcome()

    stage = Stage(name="train", version=2, kind="model", settings=Settings, inputs={}, work=work)
    return run_stage(stage, Settings(), {}, workspace).folder


@pytest.mark.slow
def test_a_model_is_tried_and_goes_live_and_the_next_one_replaces_it(bench: Bench, settings: DeploySettings) -> None:
    first = commit_tiny_model(bench.workspace)
    made = run_stage(STAGE, settings, bench.inputs(first), bench.workspace)
    said = json.loads((made.folder.path / "release.json").read_bytes())
    assert [check["name"] for check in said["checks"]] == ["picture", "same_bytes", "bad_request", "traffic"]
    assert (said["model"], made.folder.manifest.kind) == (first.digest, "release")
    assert live(bench) == [first.digest]
    assert run_stage(STAGE, settings, bench.inputs(first), bench.workspace).cached
    assert servers(first) == []
    assert sorted(line["status"] for line in requests(bench, first)) == [200, 200, 200, 200, 400]

    second = commit_tiny_model(bench.workspace, seed=1)
    run_stage(STAGE, settings, bench.inputs(second), bench.workspace)
    assert run_stage(STAGE, settings, bench.inputs(second), bench.workspace).cached
    assert live(bench) == [first.digest, second.digest]

    assert rollback(bench.workspace).digest == first.digest
    assert live(bench) == [first.digest]


def test_a_model_that_was_replaced_is_released_again(bench: Bench, tiny_model: Folder) -> None:
    model, other = bench.model(tiny_model), "e" * 64

    def release(digest: str) -> object:
        releases.promote(bench.workspace, "train/any", digest, "evaluate/any")
        return STAGE.outside(DeploySettings(), {"model": model}, bench.workspace)

    first, again = [(release(other), release(model.digest)) for _ in range(2)]
    assert first[0] == first[1] and again[0] == again[1]
    assert first[0] != again[0]


def test_a_release_in_another_namespace_is_another_one(
    bench: Bench, tiny_model: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {"model": bench.model(tiny_model)}

    def outside(on: dict[str, str]) -> object:
        return STAGE.outside(DeploySettings.model_validate({"deployment": on}), inputs, bench.workspace)

    found = [outside({"namespace": name}) for name in ("staging", "production")]
    monkeypatch.setenv("PLATEN_NAMESPACE", "staging")
    assert found[0] != found[1]
    assert outside({}) == found[0]


def test_nothing_is_started_where_the_gate_said_no(bench: Bench, tiny_model: Folder, settings: DeploySettings) -> None:
    model = bench.model(tiny_model)
    with pytest.raises(GateRefused, match=r"'reject'.*clip_score: 0\.1 is below 0\.2"):
        run_stage(STAGE, settings, bench.inputs(model, "reject"), bench.workspace)
    assert live(bench) == []
    assert not Path(releases.request_log(bench.workspace, model.digest)).exists()


def test_a_decision_that_says_nothing_is_named(bench: Bench, tiny_model: Folder, settings: DeploySettings) -> None:
    inputs = bench.inputs(bench.model(tiny_model))
    inputs["decision"] = report(bench.workspace, "gate", "decision.json", {"verdit": "promote"}).uri
    with pytest.raises(CorruptError, match=r"decision\.json: verdict: Field required"):
        run_stage(STAGE, settings, inputs, bench.workspace)
    assert live(bench) == []


@pytest.mark.parametrize("about", ["model", "report"])
def test_a_decision_about_another_model_or_report_releases_nothing(
    bench: Bench, tiny_model: Folder, settings: DeploySettings, about: str
) -> None:
    model = bench.model(tiny_model)
    inputs = bench.inputs(model)
    said = {"verdict": "promote", "reasons": [], "champion": None, "rules": []}
    digests = {"model": model.digest, "report": open_folder(inputs["report"]).digest, about: "f" * 64}
    inputs["decision"] = report(bench.workspace, "gate", "decision.json", {**said, **digests}).uri
    with pytest.raises(InputError, match=f"is about another {about}, ffffffffffff"):
        run_stage(STAGE, settings, inputs, bench.workspace)
    assert live(bench) == []


def test_a_model_that_does_not_load_leaves_the_earlier_one_live(bench: Bench, settings: DeploySettings) -> None:
    releases.promote(bench.workspace, "train/earlier", "e" * 64, "evaluate/earlier")
    broken = commit_broken_model(bench.workspace)
    with pytest.raises(ProcessError, match=r"ended with exit code 2: .*not a model that diffusers loads") as caught:
        run_stage(STAGE, settings, bench.inputs(broken), bench.workspace)
    assert "unet" in str(caught.value)
    assert live(bench) == ["e" * 64]
    assert servers(broken) == []


def test_a_blank_picture_leaves_the_earlier_one_live(bench: Bench, tiny_model: Folder) -> None:
    model = bench.model(tiny_model)
    with pytest.raises(ProcessError, match=r"blank image \(deviation .*, below 255\)"):
        run_stage(STAGE, DeploySettings(blank_below=255, device="cpu"), bench.inputs(model), bench.workspace)
    assert live(bench) == []
    assert servers(model) == []


def test_a_server_that_is_too_slow_is_ended(bench: Bench, tiny_model: Folder) -> None:
    model = bench.model(tiny_model)
    with pytest.raises(ProcessError, match=r"not ready after 0\.1 s"):
        run_stage(STAGE, DeploySettings(ready_seconds=0.1, device="cpu"), bench.inputs(model), bench.workspace)
    assert servers(model) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_server_is_left_when_the_stage_is_killed(bench: Bench, tiny_model: Folder, number: signal.Signals) -> None:
    model = bench.model(tiny_model)
    argv = [sys.executable, "-c", RUN, *bench.inputs(model).values(), bench.workspace]
    stage = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": "."})
    while not requests(bench, model):  # the server is up, and in the middle of the smoke test
        assert stage.poll() is None
        time.sleep(0.1)
    [server] = servers(model)
    stage.send_signal(number)
    stage.wait(30)
    psutil.wait_procs([server], timeout=30)
    assert servers(model) == []
    assert live(bench) == []


def test_a_rollback_to_a_model_that_is_not_whole_is_refused(bench: Bench, tiny_model: Folder) -> None:
    model = bench.model(tiny_model)
    releases.promote(bench.workspace, model.uri, model.digest, "evaluate/x")
    with pytest.raises(InputError, match=r"no earlier release to roll back to \(found 1\)"):
        rollback(bench.workspace)
    releases.promote(bench.workspace, "train/next", "f" * 64, "evaluate/y")
    (model.path / "unet" / "config.json").write_text("{}")
    with pytest.raises(CorruptError, match=r"unet/config\.json"):
        rollback(bench.workspace)
    assert live(bench) == [model.digest, "f" * 64]
