"""`platen submit --demo`: what is sent for a bucket and for a volume, and the graph that it runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from platen.components.sample.delivery import shared_folder
from platen.components.sample.settings import SampleSettings
from platen.core.settings import load_files, parse
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.demo import cluster_settings, demo_text, read_own_sample
from platen.pipelines.package import read_package
from platen.pipelines.settings import RunSettings
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import write_compiled
from tests.pipelines.conftest import Command, Ended
from tests.pipelines.kfp_server import Json, Look, State

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


@pytest.mark.parametrize("family", sorted(path.stem for path in (ROOT / "examples").glob("demo-*.yaml")))
def test_another_family_s_demo_differs_in_the_model_and_its_training(family: str) -> None:
    files = [ROOT / "examples" / f"{name}.yaml" for name in ("demo", family)]
    ours, demo = parse(RunSettings, load_files(files)), parse(RunSettings, demo_text())
    assert f"demo-{ours.base.tiny.family}" == family
    assert ours.model_copy(update={"base": demo.base, "train": demo.train}) == demo
    assert (ours.train.ranks, ours.train.zero) == (2, demo.train.zero)


def test_in_another_run_folder_its_own_sample_is_read() -> None:
    moved = parse(RunSettings, read_own_sample(demo_text(), "/tmp/mine"))
    assert moved.ingest.folder == "/tmp/mine/sample/pictures"
    assert (moved.ingest.urls, moved.generate.prompts) == (
        "/tmp/mine/sample/urls.csv",
        "/tmp/mine/sample/prompts.jsonl",
    )
    assert moved.notify.truth == "/tmp/mine/sample/truth.json"
    assert moved.train == parse(RunSettings, demo_text()).train
    assert read_own_sample(demo_text(), "runs/demo") == demo_text()
    own = "{run: runs/demo, ingest: {folder: my/images}}"
    assert yaml.safe_load(read_own_sample(own, "runs/mine"))["ingest"] == {"folder": "my/images"}


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
