"""The demo: a sample world with planted faults, and the content pipeline on it; here, or on Kubeflow Pipelines.

Here the sample's web folder is served by this machine while the run goes on. Pods cannot reach that: on a cluster the
sample has no web folder, and the task `sample` draws it into the workspace, a bucket or a volume alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from platen.components.sample.delivery import SAMPLE, draw_recorded, share, shared_folder
from platen.components.sample.settings import SampleSettings
from platen.components.sample.truth import TRUTH
from platen.components.sample.web import serving
from platen.core.errors import InputError
from platen.core.settings import build, load_files, mapping, over
from platen.core.storage import is_local, join
from platen.core.telemetry import log
from platen.pipelines.local import local_folder, run_content
from platen.pipelines.package import Package
from platen.pipelines.settings import RunSettings

PIPELINE = "demo"
TRAINING = {"nodes": 2, "cpu": "500m", "memory": "4Gi"}  # of the job: what a node of a small cluster has room for


def run_demo(text: str, settings: RunSettings, *, docker: bool = False) -> None:
    """Draw (unless it is drawn), serve, run; ends by naming what to look at next."""
    folder = local_folder(settings.run) / SAMPLE
    draw_recorded(settings.sample, folder, settings.run)
    if not is_local(settings.run):
        share(folder, join(settings.run, SAMPLE))
    with contextlib.ExitStack() as stack:
        if settings.sample.web:
            stack.enter_context(serving(folder / "web", settings.sample.host, settings.sample.port))
        run_content(read_own_sample(text, settings.run), settings.workspace, settings.run, docker=docker)
    log.info("open %s, then try: platen serve --workspace %s", join(settings.run, "report.html"), settings.workspace)


def read_own_sample(text: str, run: str) -> str:
    """Return settings that read the sample of this run, where the command line names another run than the file does.

    Args:
        text: YAML, whose paths below its own run's sample are replaced.
        run: Where the sample is drawn.
    """
    values = mapping(text, "settings of the demo")
    written = values.get("run")
    if not isinstance(written, str) or written == run:
        return text
    before = Path(written, SAMPLE)

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: replaced(each) for name, each in value.items()}
        if isinstance(value, str) and Path(value).is_relative_to(before):
            return join(run, SAMPLE, Path(value).relative_to(before).as_posix())
        return value

    return yaml.safe_dump(replaced(values), sort_keys=False, allow_unicode=True)


def cluster_settings(package: Package, files: Sequence[Path], workspace: str, run: str) -> tuple[str, RunSettings]:
    """Settings of the demo on a cluster: the demo's, with where things lie there, and the user's files on top.

    Args:
        package: The compiled pipeline, whose volumes the training job mounts too.
        files: The user's, which have the last word.
        workspace: The command line's; empty for the files'.
        run: Likewise; where neither says, `runs` in the workspace.

    Raises:
        InputError: Nobody says where the workspace is.
        SettingsError: A setting cannot be used.
    """
    given = mapping(load_files(files), ", ".join(map(str, files)))
    workspace = workspace or str(given.get("workspace") or "")
    if not workspace:
        raise InputError("--demo: no workspace. Accepted: --workspace gs://bucket/path, or a path on a volume of pods")
    names = ", ".join(["--demo", *map(str, files)])
    demo = over(mapping(demo_text(), "demo.yaml"), {"sample": {"web": False}})
    drawn = build(SampleSettings, over(demo, given)["sample"], names, prefix=SAMPLE)
    place = _place(package, shared_folder(drawn, workspace), workspace)
    folders = {"workspace": workspace, "run": run or str(given.get("run") or join(workspace, "runs"))}
    values = {**over(over(demo, place), given), **folders}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True), build(RunSettings, values, names)


def _place(package: Package, sample: str, workspace: str) -> dict[str, Any]:
    """What a cluster's settings have on top of a laptop's."""
    claims = {claim: path for claim, path in package.claims.items() if Path(workspace).is_relative_to(path)}
    job = {**TRAINING, "volumes": claims, "image_pull_secrets": package.pull_secrets}
    return {
        "ingest": {"folder": join(sample, "pictures"), "urls": None, "allow_hosts": []},
        "train": {"job": {name: value for name, value in job.items() if value}},
        "generate": {"prompts": join(sample, "prompts.jsonl")},
        "deploy": {"deployment": {}},
        "notify": {"truth": join(sample, TRUTH)},
    }


def demo_text() -> str:
    """Return the demo's settings as they come with the package; examples/demo.yaml is the same file."""
    return resources.files("platen.pipelines").joinpath("demo.yaml").read_text(encoding="utf-8")


def next_steps(parameters: Mapping[str, Any], run_id: str) -> str:
    """Name what there is to look at while the demo runs, and afterwards."""
    return (
        f"the report will be {join(str(parameters['run']), run_id, 'report.html')}, with the planted faults that were "
        f"found; the first task, {SAMPLE}, draws the pictures. Then try the model: "
        "kubectl port-forward service/platen-serve 8000:80, in the namespace where Platen is installed, "
        f"and http://127.0.0.1:8000. To end it early: platen cancel {run_id}"
    )
