"""Releases on a real cluster, while clients in it ask for pictures: none of their requests may fail.

`deploy` runs here with the rights of pipeline-runner, on the kind overlay; models lie on the storage emulator.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.artifacts import releases
from platen.components.deploy.cluster_server import release
from platen.components.deploy.deployment import Deployment, Model
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.rollout import is_ready
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.stage import STAGE
from platen.core.errors import ClusterError, ProcessError
from platen.core.images import image
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from platen.jobs.cluster import LABELS, Cluster, connect
from tests.cluster.accounts import kubeconfig_of
from tests.cluster.manifests import kind_overlay
from tests.cluster.waiting import PATIENCE, wait_until
from tests.components.deploy.conftest import report
from tests.tiny_model import commit_tiny_model, write_tiny_model

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

CLIENTS, LOAD_SECONDS = 4, 1500
SCRIPT = Path(__file__).with_name("load.py")
Released = tuple[Folder, dict[str, int]]  # a model, and the requests that were answered while it took over
DEPLOY = """
import sys
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.components.deploy.rollout import is_ready
from platen.components.deploy.settings import DeploySettings
from platen.components.deploy.stage import STAGE
from platen.core.stage import run_stage
workspace, model, report, decision = sys.argv[1:]
settings = DeploySettings(smoke_requests=2, deployment=DeploymentSettings())
run_stage(STAGE, settings, {"model": model, "report": report, "decision": decision}, workspace)
"""


def write_blank_model(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
    """A model that loads, answers, and makes nothing but grey: the last layer of its autoencoder is all zeros."""
    from safetensors.torch import load_file, save_file

    write_tiny_model(place.out, seed=9)
    path = place.out / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    for name in ("decoder.conv_out.weight", "decoder.conv_out.bias"):
        weights[name].zero_()
    save_file(weights, path, metadata={"format": "pt"})
    return Outcome()


BLANK = Stage(name="train", version=99, kind="model", settings=Settings, inputs={}, work=write_blank_model)


@dataclass(frozen=True)
class World:
    """A namespace with the kind overlay, a workspace in a bucket, and deploy in between."""

    admin: Cluster
    runner: Cluster
    workspace: str

    @property
    def deployment(self) -> Deployment:
        """As deploy sees it."""
        return Deployment(self.runner, DeploymentSettings())

    @property
    def settings(self) -> DeploySettings:
        """A short trial."""
        return DeploySettings(smoke_requests=2, deployment=DeploymentSettings())

    def live(self) -> list[str]:
        """Digests of the releases, the live one last."""
        return [entry.digest for entry in releases.load(self.workspace).history]

    def serving(self) -> str | None:
        """The digest that is set on the Deployment."""
        model = self.deployment.model()
        return model.digest if model else None

    def inputs(self, model: Folder) -> dict[str, str]:
        """What deploy reads, the last two made up."""
        evaluation = report(self.workspace, "evaluate", "report.json", {"of": model.digest})
        said = {"verdict": "promote", "reasons": [], "champion": None, "rules": []}
        digests = {"model": model.digest, "report": evaluation.digest}
        decision = report(self.workspace, "gate", "decision.json", {**said, **digests})
        return {"model": model.uri, "report": evaluation.uri, "decision": decision.uri}

    def deploy(self, model: Folder) -> float:
        """Run the stage; the seconds that its rollout took."""
        made = run_stage(STAGE, self.settings, self.inputs(model), self.workspace)
        run = json.loads(made.folder.read("run.json") or b"{}")
        return float(run["rollout_seconds"])

    def platen(self, *arguments: str, folder: Path) -> str:
        """What a command prints, given the settings of this world."""
        file = folder / "settings.yaml"
        sections = {"ingest": {"folder": str(folder)}, "deploy": {"deployment": {}}}
        file.write_text(yaml.safe_dump({"workspace": self.workspace, **sections}))
        argv = [sys.executable, "-m", "platen.cli", *arguments, "--settings", str(file)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def counts(self) -> dict[str, Any]:
        """What the load generator has counted until now."""
        pod = f"/api/v1/namespaces/{self.admin.namespace}/pods/load:8080/proxy/"
        return self.admin.call("GET", pod)

    @contextmanager
    def under_load(self) -> Iterator[dict[str, int]]:
        """Run something while clients ask; none of them may fail meanwhile. Requests by the digest that answered."""
        before, by_digest = self.counts(), dict[str, int]()
        began = time.monotonic()
        yield by_digest
        after = self.counts()
        assert after["faults"] == []
        assert set(after["statuses"]) == {"200"}
        by_digest |= {digest: n - before["answered"].get(digest, 0) for digest, n in after["answered"].items()}
        served = sum(by_digest.values())
        assert served > 0
        elsewhere = after["closed"] - before["closed"]
        print(f"{served} requests in {time.monotonic() - began:.0f} s, {elsewhere} sent elsewhere, none failed")  # noqa: T201


@pytest.fixture(scope="module")
def world(
    cluster: Cluster, bucket: str, node_images: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if image("serve") not in node_images:
        pytest.skip(f"{image('serve')} is not on the nodes: make images, then load it")
    workspace = f"{bucket}/releases"
    storage = {"PLATEN_WORKSPACE": workspace, "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"]}
    folder = tmp_path_factory.mktemp("deploy")
    with pytest.MonkeyPatch.context() as patch, kind_overlay(cluster, folder, storage) as (own, _):
        patch.setenv("PLATEN_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        patch.setenv("KUBECONFIG", str(kubeconfig_of(own, "pipeline-runner", folder)))
        yield World(own, connect(), workspace)


@pytest.fixture(scope="module")
def blank(world: World) -> Folder:
    return run_stage(BLANK, Settings(), {}, world.workspace).folder


@pytest.fixture(scope="module")
def first(world: World, blank: Folder) -> Folder:
    """The first release that holds, after one that did not; then the load begins."""
    with pytest.raises(ProcessError, match=r"a blank image .*; .* has no model again, as before this first release"):
        world.deploy(blank)
    assert (world.live(), world.serving(), world.deployment.pods(Model(blank.uri, blank.digest))) == ([], None, [])
    model = commit_tiny_model(world.workspace)
    print(f"first release: {world.deploy(model):.0f} s")  # noqa: T201
    start_load(world.admin)
    wait_until(lambda: answers(world, model.digest, 0))
    return model


@pytest.fixture(scope="module")
def second(world: World, first: Folder, tmp_path_factory: pytest.TempPathFactory) -> Released:
    """A second release, made under load, by a deploy that is killed and one that comes after it."""
    model = commit_tiny_model(world.workspace, seed=1)
    with world.under_load() as answered:
        kill_deploy(world, model, signal.SIGKILL)
        assert (world.live(), world.serving()) == ([first.digest], model.digest)
        said = world.platen("releases", folder=tmp_path_factory.mktemp("killed"))
        assert (
            f"platen-serve: has {model.uri} ({model.digest[:12]}), which is not what is live; `platen rollback`" in said
        )
        deploy_in_the_cluster(world, model)
        wait_until(lambda: answers(world, model.digest, 5))
    return model, answered


def start_load(cluster: Cluster) -> None:
    """Start the load generator beside the server."""
    path = f"/api/v1/namespaces/{cluster.namespace}"
    script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("load")}
    cluster.create(f"{path}/configmaps", {**script, "data": {"load.py": SCRIPT.read_text()}})
    container = {
        "command": ["python3", "/load/load.py", "http://platen-serve", str(CLIENTS), str(LOAD_SECONDS)],
        "volumeMounts": [{"name": "load", "mountPath": "/load"}],
    }
    start_pod(cluster, "load", container, {"volumes": [{"name": "load", "configMap": {"name": "load"}}]})


def deploy_in_the_cluster(world: World, model: Folder) -> None:
    """Run the stage as a step of a pipeline does: in a pod, as pipeline-runner."""
    env = {"STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"]}
    container = {
        "command": ["python3", "-c", DEPLOY, world.workspace, *world.inputs(model).values()],
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    path = start_pod(world.admin, "deploy", container, {"serviceAccountName": "pipeline-runner"})
    wait_until(lambda: (world.admin.get(path) or {})["status"]["phase"] in ("Succeeded", "Failed"))
    said = world.admin.stream(f"{path}/log").read().decode()
    assert (world.admin.get(path) or {})["status"]["phase"] == "Succeeded", said


def start_pod(cluster: Cluster, name: str, container: dict[str, Any], spec: dict[str, Any]) -> str:
    """Start a pod of the server's image, which ends in time by itself; its address on the API server."""
    whole = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": LOAD_SECONDS + 60,
        "containers": [{"name": name, "image": image("serve"), **container}],
        **spec,
    }
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    cluster.create(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name), "spec": whole})
    wait_until(lambda: (cluster.get(f"{path}/{name}") or {})["status"]["phase"] != "Pending")
    return f"{path}/{name}"


def metadata(name: str) -> dict[str, Any]:
    return {"name": name, "labels": LABELS}


def answers(world: World, digest: str, more_than: int) -> bool:
    """Whether clients have had answers of a model."""
    try:
        return int(world.counts()["answered"].get(digest, 0)) > more_than
    except ClusterError:  # the load generator does not listen yet
        return False


def kill_deploy(world: World, model: Folder, number: signal.Signals) -> int:
    """Start a deploy, and send it a signal as soon as it has set the model; how it ended."""
    process = subprocess.Popen([sys.executable, "-c", DEPLOY, world.workspace, *world.inputs(model).values()])
    wait_until(lambda: world.serving() == model.digest)
    process.send_signal(number)
    return process.wait(PATIENCE)


def test_a_first_release_that_fails_leaves_no_model_and_the_next_one_is_served(world: World, first: Folder) -> None:
    assert world.live()[0] == first.digest
    assert world.counts()["faults"] == []


def test_a_second_model_takes_over_under_load(world: World, first: Folder, second: Released, tmp_path: Path) -> None:
    model, answered = second
    assert answered[first.digest] > 0
    assert answered[model.digest] > 0
    assert world.live() == [first.digest, model.digest]
    said = world.platen("releases", folder=tmp_path)
    assert f"deployment {world.runner.namespace}/platen-serve: serves the live release\n" in said


def test_every_pod_of_the_overlay_is_ready(world: World, second: Released) -> None:
    pods = world.admin.items(f"/api/v1/namespaces/{world.admin.namespace}/pods")
    servers = [pod for pod in pods if pod["metadata"]["labels"].get("app.kubernetes.io/name") == "platen-serve"]
    staying = [pod for pod in servers if "deletionTimestamp" not in pod["metadata"]]
    assert staying
    assert all(map(is_ready, staying))


def test_a_blank_model_is_rolled_back_under_load(world: World, second: Released, blank: Folder) -> None:
    live = world.live()
    with world.under_load() as answered:
        with pytest.raises(ProcessError, match=r"a blank image \(deviation 0\.00, below 1\); .* is live again on"):
            world.deploy(blank)
        asked = world.counts()["answered"][live[-1]]
        wait_until(lambda: answers(world, live[-1], asked + 5))
    assert answered[blank.digest] > 0
    assert (world.live(), world.serving()) == (live, live[-1])


def test_a_model_whose_digest_is_another_never_gets_ready(world: World, second: Released) -> None:
    model, live = second[0], releases.load(world.workspace).live
    assert live is not None
    refusal = r"exit code 2: .*PLATEN_MODEL_DIGEST says ffff.* is live again on"
    with world.under_load() as answered, pytest.raises(ProcessError, match=refusal):
        release(world.deployment, world.settings, Model(model.uri, "f" * 64), live)
    assert {name for name, n in answered.items() if n} == {live.digest}
    assert world.serving() == live.digest


def test_a_deploy_that_is_told_to_end_takes_the_model_back(world: World, second: Released, blank: Folder) -> None:
    live = world.live()
    with world.under_load():
        assert kill_deploy(world, blank, signal.SIGTERM) == 128 + signal.SIGTERM
    assert (world.live(), world.serving()) == (live, live[-1])


def test_a_rollback_sets_the_earlier_model_on_the_deployment(
    world: World, first: Folder, second: Released, tmp_path: Path
) -> None:
    with world.under_load():
        assert world.platen("rollback", folder=tmp_path) == f"live: {first.uri}\n"
        asked = world.counts()["answered"][first.digest]
        wait_until(lambda: answers(world, first.digest, asked + 5))
    assert (world.live(), world.serving()) == ([first.digest], first.digest)
