"""The whole chain in containers on a cluster, with the rights of the pipeline's account, data and models in a bucket.

The graph is the one that is compiled; kfp.local's DockerRunner starts each task in its stage's image. `train` makes a
PyTorchJob with Master and Worker, `deploy` rolls the inference pods out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.core.images import image
from platen.core.storage import join, store_for
from platen.jobs.cluster import Cluster
from tests.cluster.accounts import kubeconfig_of
from tests.cluster.manifests import kind_overlay
from tests.pipelines.small_demo import PREFLIGHT, STAGES, free_port

ROOT = Path(__file__).parents[2]
# Fewer images and steps than examples/demo.yaml: how well a model draws is shown by `make demo`.
SMALL: dict[str, dict[str, Any]] = {
    "sample": {"pictures": 72, "faults": 1},
    "merge": {"split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
    "base": {"tiny": {"clip_steps": 8, "vae_steps": 8}},
    "generate": {"steps": 2},
    "evaluate": {"min_samples": 5},
    "gate": {"rules": [{"metric": "held_out_loss", "direction": "at_most", "limit": 100}]},
    "monitor": {"min_requests": 2},
}
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Site:
    """A namespace with the kind overlay, a bucket, and a folder to start the command in."""

    cluster: Cluster
    bucket: str
    folder: Path
    environment: dict[str, str]

    def demo(self) -> subprocess.CompletedProcess[str]:
        files = [ROOT / "examples" / "demo.yaml", ROOT / "examples" / "kind.yaml", self.folder / "here.yaml"]
        options = [option for file in files for option in ("--settings", str(file))]
        command = [sys.executable, "-m", "platen.cli", "demo", "--docker", *options]
        with (self.folder / "demo.log").open("a") as log:
            return subprocess.run(command, cwd=self.folder, env=self.environment, stderr=log, text=True, check=False)

    def read(self, name: str) -> Any:
        return json.loads(store_for(self.bucket).read(join(self.bucket, name)) or b"null")

    def log(self) -> str:
        return (self.folder / "demo.log").read_text()[-6000:]


@pytest.fixture
def site(cluster: Cluster, bucket: str, tmp_path: Path, needs_image: Callable[[str], str]) -> Iterator[Site]:
    for stage in ("train", "serve"):
        needs_image(stage)
    docker = pytest.importorskip("docker")
    if not docker.from_env().images.list(image("notify")):
        pytest.skip("no images in Docker: make images")
    storage = {"PLATEN_WORKSPACE": f"{bucket}/workspace", "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"]}
    with kind_overlay(cluster, tmp_path / "manifests", storage) as (own, _):
        write_place(tmp_path, bucket)
        account = kubeconfig_of(own, "pipeline-runner", tmp_path)
        scratch = {"PLATEN_SCRATCH": str(tmp_path / "scratch")}
        yield Site(own, bucket, tmp_path, {**os.environ, **scratch, "KUBECONFIG": str(account)})


def write_place(folder: Path, bucket: str) -> None:
    """What examples/kind.yaml says, in this bucket and on a free port."""
    text = (ROOT / "examples" / "kind.yaml").read_text().replace("gs://platen/", f"{bucket}/")
    here = yaml.safe_load(text)
    port = free_port()
    for name, section in SMALL.items():
        here[name] = {**here.get(name, {}), **section}
    here["sample"]["port"] = port
    here["train"] |= {"steps": 40, "optimizer": {"warmup_steps": 2}}
    here["deploy"]["deployment"]["url"] = None  # the cluster is any, not just kind
    here["ingest"]["allow_hosts"] = [f"localhost:{port}"]
    (folder / "here.yaml").write_text(yaml.safe_dump(here))


def test_the_whole_chain_runs_in_containers_on_the_cluster(site: Site) -> None:
    assert site.demo().returncode == 0, site.log()
    summary = site.read("runs/demo/summary.json")
    stages = {stage["name"]: stage for stage in summary["stages"]}
    assert [name for name in (PREFLIGHT, *STAGES) if stages[name]["status"] != "done"] == []
    trained = site.read("runs/demo/stages/train.json")["uri"]
    assert_trained_by_two_pods(site, trained)
    assert_released(site, trained)
    page = store_for(site.bucket).read(join(site.bucket, "runs/demo/report.html")) or b""
    (site.folder / "report.html").write_bytes(page)  # to be looked at
    assert trained.encode() in page


@pytest.mark.soak("tests/pipelines/test_content.py runs the stages again on a folder and on a bucket")
def test_a_second_run_finds_every_stage_as_it_was(site: Site) -> None:
    assert site.demo().returncode == 0, site.log()
    assert site.demo().returncode == 0, site.log()
    again = {stage["name"]: stage["cached"] for stage in site.read("runs/demo/summary.json")["stages"]}
    assert again.pop(PREFLIGHT) is False
    assert all(again.values()), again


def assert_trained_by_two_pods(site: Site, model: str) -> None:
    jobs = site.cluster.items(f"/apis/kubeflow.org/v1/namespaces/{site.cluster.namespace}/pytorchjobs")
    (job,) = (job for job in jobs if job["metadata"]["name"].startswith("train-"))
    succeeded = {name: status.get("succeeded") for name, status in job["status"]["replicaStatuses"].items()}
    assert succeeded == {"Master": 1, "Worker": 1}
    zero = json.loads(store_for(site.bucket).read(join(model, "run.json")) or b"")["zero"]
    assert zero["world_size"] == 2
    assert zero["parameters_per_rank"] == [zero["parameters"] // 2] * 2


def assert_released(site: Site, model: str) -> None:
    live = site.read("workspace/releases/live.json")["history"][-1]
    assert live["model"] == model
    path = f"/apis/apps/v1/namespaces/{site.cluster.namespace}/deployments/platen-serve"
    deployment = site.cluster.get(path)
    assert deployment is not None
    variables = {v["name"]: v.get("value") for v in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (variables["PLATEN_MODEL"], variables["PLATEN_MODEL_DIGEST"]) == (live["model"], live["digest"])
    status = deployment["status"]
    assert status["readyReplicas"] == status["updatedReplicas"] == status["replicas"] >= 1
