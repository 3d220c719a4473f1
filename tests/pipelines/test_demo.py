"""`platen submit --demo`: what is sent for a bucket and for a volume, and the graph that it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.components.sample.delivery import shared_folder
from platen.components.sample.settings import SampleSettings
from platen.core.settings import parse
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.demo import cluster_settings, demo_text
from platen.pipelines.package import read_package
from platen.pipelines.settings import RunSettings
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import write_compiled
from tests.pipelines.conftest import Command, Ended
from tests.pipelines.kfp_server import Json, Look, State
from tests.pipelines.small_demo import STAGES, settings_for

ROOT = Path(__file__).parents[2]
DRAWN = SampleSettings(web=False)


@pytest.fixture
def submit_demo(platen: Command, host: str, compiled: Path) -> Command:
    return lambda *more: platen("submit", "--demo", "--compiled", compiled, "--host", host, *more)


def sent(state: State) -> tuple[Json, Json]:
    """The parameters of the only run, and its settings."""
    (run,) = state.runs.values()
    parameters = run["runtime_config"]["parameters"]
    return parameters, yaml.safe_load(parameters["settings"])


def test_in_a_bucket_everything_lies_in_the_workspace(submit_demo: Command, state: State) -> None:
    ended = submit_demo("--workspace", "gs://bucket/platen")
    assert ended.code == 0, ended.err
    parameters, settings = sent(state)
    assert (parameters["workspace"], parameters["run"]) == ("gs://bucket/platen", "gs://bucket/platen/runs")
    sample = shared_folder(DRAWN, "gs://bucket/platen")
    assert sample.startswith("gs://bucket/platen/demo/sample-")
    assert settings["sample"] == {"web": False}
    assert (settings["ingest"]["folder"], settings["ingest"]["urls"]) == (f"{sample}/pictures", None)
    assert settings["generate"]["prompts"] == f"{sample}/prompts.jsonl"
    assert settings["notify"]["truth"] == f"{sample}/truth.json"
    assert settings["train"]["job"] == {"nodes": 2, "cpu": "500m", "memory": "4Gi"}
    assert settings["deploy"] == {"deployment": {}}
    here = parse(RunSettings, demo_text())
    there = parse(RunSettings, parameters["settings"])
    assert there.train.model_copy(update={"job": None}) == here.train
    assert (there.clean_images, there.evaluate, there.gate) == (here.clean_images, here.evaluate, here.gate)
    (run,) = state.runs.values()
    assert run["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "platen-demo"


def test_on_a_volume_the_training_pods_mount_it_too(submit_demo: Command, state: State) -> None:
    assert submit_demo("--workspace", "/workspace/data", "--run", "/workspace/runs").code == 0
    parameters, settings = sent(state)
    assert (parameters["workspace"], parameters["run"]) == ("/workspace/data", "/workspace/runs")
    assert settings["train"]["job"]["volumes"] == {"claim": "/workspace"}
    assert settings["ingest"]["folder"] == f"{shared_folder(DRAWN, '/workspace/data')}/pictures"


def test_training_pods_pull_and_mount_as_the_compiled_ones_do(tmp_path: Path) -> None:
    text = "{image_pull_secrets: [registry], volumes: {ws: /ws, cache: /cache}, gate: {volumes: {own: /ws/own}}}"
    write_compiled(tmp_path, Target(cluster=parse(ClusterSettings, text)))
    job = cluster_settings(read_package(tmp_path, "demo"), [], "/ws/data", "")[1].train.job
    assert job is not None
    assert (job.volumes, job.image_pull_secrets) == ({"ws": "/ws"}, ("registry",))
    in_bucket = cluster_settings(read_package(tmp_path, "demo"), [], "gs://b/ws", "")[1].train.job
    assert in_bucket is not None and in_bucket.volumes == {}


def test_files_of_the_user_s_have_the_last_word(submit_demo: Command, state: State, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    text = """
        workspace: gs://other/ws
        run: gs://other/runs
        sample: {pictures: 240}
        train: {steps: 10, job: {nodes: 1, processes_per_node: 2}}
        deploy: {deployment: {name: mine}}
    """
    more.write_text(text)
    ended = submit_demo("--settings", more)
    assert ended.code == 0, ended.err
    parameters, settings = sent(state)
    assert (parameters["workspace"], parameters["run"]) == ("gs://other/ws", "gs://other/runs")
    assert settings["train"]["steps"] == 10
    assert settings["train"]["job"] == {"nodes": 1, "cpu": "500m", "memory": "4Gi", "processes_per_node": 2}
    assert settings["deploy"] == {"deployment": {"name": "mine"}}
    sample = shared_folder(DRAWN.model_copy(update={"pictures": 240}), "gs://other/ws")
    assert settings["notify"]["truth"] == f"{sample}/truth.json"


def test_an_empty_section_in_a_later_file_is_told(submit_demo: Command, state: State, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{workspace: 'gs://b/ws', train: {steps: 10}}")
    (tmp_path / "b.yaml").write_text("train: {}")
    ended = submit_demo("--settings", tmp_path / "a.yaml", "--settings", tmp_path / "b.yaml")
    assert ended.code == 0, ended.err
    assert sent(state)[1]["train"]["steps"] == 10
    assert "b.yaml: train: {} is empty and changes nothing" in ended.err


def test_it_says_what_to_look_at_next(submit_demo: Command, state: State, host: str) -> None:
    state.looks = [Look("SUCCEEDED", {"sample": "SUCCEEDED", "ingest": "SUCCEEDED"})]
    ended = submit_demo("--workspace", "gs://bucket/platen", "--wait")
    (run_id,) = state.runs
    assert ended.out == f"{host}/#/runs/details/{run_id}\n"
    assert f"gs://bucket/platen/runs/{run_id}/report.html" in ended.err
    assert "kubectl port-forward service/platen-serve 8000:80" in ended.err
    assert "sample: succeeded" in ended.err


def test_the_same_demo_twice_makes_one_run(submit_demo: Command, state: State) -> None:
    first, second = (submit_demo("--workspace", "gs://bucket/platen") for _ in range(2))
    assert (first.out, len(state.runs)) == (second.out, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--demo: no workspace. Accepted: --workspace gs://bucket/path, or a path on a volume"),
        (["--workspace", "runs/ws"], "workspace: 'runs/ws' is on this machine, which pods do not see"),
        (["--workspace", "/home/jo/ws"], "workspace: '/home/jo/ws' is on this machine, which pods do not see"),
        (["--workspace", "gs://b/ws", "--run", "runs/x"], "run: 'runs/x' is on this machine"),
        (
            ["--workspace", "gs://b/ws", "--pipeline", "retrain"],
            "--demo cannot be combined with --recurring or --pipeline",
        ),
        (
            ["--workspace", "gs://b/ws", "--pipeline", "content"],
            "--demo cannot be combined with --recurring or --pipeline",
        ),
        (["--workspace", "gs://b/ws", "--recurring", "0 3 * * *"], "--demo cannot be combined with --recurring"),
        (["--workspace", "gs://b/ws", "--settings", "gone.yaml"], "gone.yaml: no such settings file"),
        (["--workspace", "gs://b/ws", "--settings", "bad.yaml"], "--demo, bad.yaml: train.stpes: unknown setting"),
        (["--workspace", "gs://b/ws", "--settings", "few.yaml"], "faults 6 need 60 pictures; pictures is 30"),
        (["--workspace", "gs://b/ws", "--settings", "mine.yaml"], "ingest.folder: 'pictures' is on this machine"),
    ],
    ids=[
        "no_workspace",
        "relative_workspace",
        "workspace_off_the_volume",
        "local_run_folder",
        "retrain",
        "content",
        "recurring",
        "no_file",
        "unknown_setting",
        "too_few_pictures",
        "pictures_of_a_laptop",
    ],
)
def test_nothing_is_sent_when_something_is_wrong(
    submit_demo: Command,
    state: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("train: {stpes: 3}")
    Path("few.yaml").write_text("sample: {pictures: 30}")
    Path("mine.yaml").write_text("ingest: {folder: pictures}")
    ended = submit_demo(*arguments)
    assert (ended.code, state.requests) == (2, [])
    assert words in ended.err


def test_without_demo_settings_are_needed(platen: Command, host: str, compiled: Path, state: State) -> None:
    ended: Ended = platen("submit", "--compiled", compiled, "--host", host)
    assert (ended.code, state.requests) == (2, [])
    assert "--settings is missing. Accepted: a YAML file, as printed by `platen settings`; or use --demo" in ended.err


def test_the_example_is_the_file_that_comes_with_the_package() -> None:
    assert (ROOT / "examples" / "demo.yaml").read_text() == demo_text()


def test_a_wheel_holds_the_demo_s_settings(tmp_path: Path) -> None:
    """What is no Python file is easily left out of one. Built from what images/bases/Dockerfile copies."""
    for name in ("platen", "components", "pipelines"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    build = "import setuptools; setuptools.setup(script_args=['-q', 'bdist_wheel'])"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert zipfile.ZipFile(wheel).read("platen/pipelines/demo.yaml").decode() == demo_text()


def test_the_chain_waits_for_the_sample(compiled: Path) -> None:
    spec = read_package(compiled, "demo").spec
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert "dependentTasks" not in tasks["sample"]
    assert all("sample" in task["dependentTasks"] for name, task in tasks.items() if name != "sample")
    assert read_package(compiled, "demo").tasks == read_package(compiled, "content").tasks | {"sample"}


RUN_IT = """
import sys
from kfp import local
from platen.pipelines.demo_pipeline import demo_pipeline
from platen.pipelines.local import _processes
local.init(runner=_processes(), pipeline_root=sys.argv[1], raise_on_error=True)
demo_pipeline()(settings=open(sys.argv[2]).read(), workspace=sys.argv[3], run=sys.argv[4])
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_graph_finds_what_the_sample_planted(compiled: Path, tmp_path: Path, scratch: Path) -> None:
    """The whole graph on a folder of this machine as workspace; training and release are a laptop's here."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_settings(tmp_path)))
    workspace, run = str(tmp_path / "ws"), str(tmp_path / "run")
    text, _ = cluster_settings(read_package(compiled, "demo"), [tmp_path / "small.yaml"], workspace, run)
    (tmp_path / "settings.yaml").write_text(text)
    command = [sys.executable, "-c", RUN_IT, str(tmp_path / "kfp"), str(tmp_path / "settings.yaml"), workspace, run]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    summary: dict[str, Any] = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert summary["outcome"] == "succeeded"
    assert [stage["name"] for stage in summary["stages"]][:3] == ["sample", "preflight", "ingest"]
    assert {stage["name"] for stage in summary["stages"]} >= {"sample", *STAGES}
    assert summary["dropped"] == summary["planted"] != {}
    assert summary["repaired"] == summary["planted_repairs"] != {}
    assert "Exactly those that were planted" in (tmp_path / "run" / "report.html").read_text()


def small_settings(folder: Path) -> Json:
    small = settings_for(folder, 1)
    for name in ("workspace", "run", "notify"):
        del small[name]
    small["ingest"] = {"shard_size": 32}
    small["sample"] = {"pictures": 72, "faults": 1}
    del small["generate"]["prompts"]
    small["train"]["job"] = None
    small["deploy"]["deployment"] = None
    return small
