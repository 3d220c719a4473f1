"""Training jobs of the train step, started as a process as a pipeline's task is: with the rights of its account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from platen.components.train.cluster.workload import training_task
from platen.core.images import image
from platen.core.settings import everything
from platen.core.stage import Folder
from platen.core.storage import join, store_for
from platen.jobs.cluster import Cluster, Object, RefusedError
from platen.jobs.pods import pods_of
from platen.jobs.pytorchjob import jobs_path, pods_path
from tests.cluster.accounts import kubeconfig_of
from tests.cluster.waiting import PATIENCE, wait_until
from tests.components.train.small_run import settings

RBAC = Path(__file__).parents[2] / "manifests" / "base" / "rbac.yaml"
ACCOUNTS = ("pipeline-runner", "platen-train", "platen-reap")
RIGHTS = "apis/rbac.authorization.k8s.io/v1"
SMALL = {"nodes": 2, "cpu": "100m", "memory": "3Gi", "shm": "256Mi", "grace_seconds": 20}
KILL_THE_RANK = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{pid}/cmdline").read().split("\\0")
    except OSError:
        continue
    if "platen.components.train.rank.main" in words and "platen.components.train.node.agent" not in words:
        os.kill(int(pid), signal.SIGKILL)
        print("killed")
"""


def grant(cluster: Cluster) -> None:
    """The accounts of the manifests, with their rights, in the cluster's namespace."""
    core = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    for name in ACCOUNTS:
        cluster.create(core, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    for thing in yaml.safe_load_all(RBAC.read_text()):
        for subject in thing.get("subjects", []):
            subject["namespace"] = cluster.namespace
        cluster.create(f"/{RIGHTS}/namespaces/{cluster.namespace}/{thing['kind'].lower()}s", thing)


@dataclass(frozen=True)
class Site:
    """Where trainings run: a namespace with the accounts of the manifests, and inputs in a bucket."""

    cluster: Cluster
    bucket: str
    folder: Path
    inputs: Mapping[str, Folder]

    def training(
        self, *, job: Mapping[str, Any] | None = None, inputs: Mapping[str, Folder] | None = None, **changes: Any
    ) -> Training:
        """A training in a workspace of its own."""
        chosen = settings(job={**SMALL, **(job or {})}, **changes)
        return Training(self, join(self.bucket, uuid.uuid4().hex[:8]), chosen, {**self.inputs, **(inputs or {})})


@dataclass
class Training:
    """One training, and the steps that were started for it."""

    site: Site
    workspace: str
    settings: Any
    inputs: Mapping[str, Folder]
    steps: list[Step] = field(default_factory=list)
    step_pods: list[StepPod] = field(default_factory=list)

    def step(self, account: str = "pipeline-runner") -> Step:
        """Start the train step as a process."""
        run = self.site.folder / uuid.uuid4().hex[:8]
        run.mkdir()
        (run / "settings.yaml").write_text(self.settings_text(str(run)))
        env = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig_of(self.site.cluster, account, run)),
            "PLATEN_SCRATCH": str(self.site.folder / "scratch"),
            "PLATEN_LOG": "json",
        }
        with (run / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "platen.cli", "train", *self.arguments(str(run / "settings.yaml"))],
                env=env, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        self.steps.append(Step(process, run / "log"))
        return self.steps[-1]

    def pod(self) -> StepPod:
        """Start the train step as a pod, as Kubeflow Pipelines does: its image, its account, and a name of its own."""
        name = f"step-{uuid.uuid4().hex[:8]}"
        core = f"/api/v1/namespaces/{self.site.cluster.namespace}"
        text = {"settings.yaml": self.settings_text("/tmp/run")}
        self.site.cluster.create(f"{core}/configmaps", {"metadata": {"name": name}, "data": text})
        container = {
            "name": "main",
            "image": image("train"),
            "command": ["platen", "train", *self.arguments("/settings/settings.yaml")],
            "env": [
                {"name": "STORAGE_EMULATOR_HOST", "value": os.environ["STORAGE_EMULATOR_HOST"]},
                {"name": "KFP_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "KFP_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            ],
            "volumeMounts": [{"name": "settings", "mountPath": "/settings"}],
        }
        spec = {
            "serviceAccountName": "pipeline-runner",
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "settings", "configMap": {"name": name}}],
        }
        self.site.cluster.create(f"{core}/pods", {"metadata": {"name": name}, "spec": spec})
        self.step_pods.append(StepPod(self.site.cluster, name))
        return self.step_pods[-1]

    def settings_text(self, run: str) -> str:
        """The settings of a run that does nothing but this training."""
        text = {**everything(self.settings), "job": self.settings.job.model_dump(mode="json")}
        content = {"ingest": {"folder": "none"}, "workspace": self.workspace, "run": run, "train": text}
        return yaml.safe_dump(content)

    def arguments(self, settings: str) -> list[str]:
        """What `platen train` is called with."""
        inputs = [word for name, folder in self.inputs.items() for word in ("--input", f"{name}={folder.uri}")]
        return ["--settings", settings, *inputs]

    @property
    def shared(self) -> str:
        """Where its checkpoints are, or were."""
        names = store_for(self.workspace).list(join(self.workspace, "train")) or ["none"]
        return join(self.workspace, "train", f".{names[0].lstrip('.')}")

    @property
    def name(self) -> str:
        """The name of its job."""
        return training_task(self.shared, "").name

    def job(self) -> Object | None:
        """Its job, as the API server has it."""
        return self.site.cluster.get(f"{jobs_path(self.site.cluster)}/{self.name}")

    def jobs(self) -> list[Object]:
        """All jobs that train here, whatever their name."""
        found = self.site.cluster.items(jobs_path(self.site.cluster), labelSelector="platen.dev/task=train")
        return [job for job in found if job["metadata"]["annotations"]["platen.dev/shared"].startswith(self.workspace)]

    def pods(self) -> list[Object]:
        """The pods of its job."""
        job = self.job()
        return [] if job is None else pods_of(self.site.cluster, self.name, job["metadata"]["uid"])

    def all_pods(self) -> list[str]:
        """Pods of its name, of whichever job."""
        path = f"/api/v1/namespaces/{self.site.cluster.namespace}/pods"
        found = self.site.cluster.items(path, labelSelector=f"training.kubeflow.org/job-name={self.name}")
        return [pod["metadata"]["name"] for pod in found]

    def checkpoints(self) -> list[int]:
        """The steps of those that are committed."""
        store, folder = store_for(self.shared), join(self.shared, "checkpoints")
        names = store.list(folder)
        return [int(name) for name in names if store.read(join(folder, name, "checkpoint.json")) is not None]

    def is_saving(self) -> bool:
        """Whether a checkpoint is written, and not committed yet."""
        return len(store_for(self.shared).list(join(self.shared, "checkpoints"))) > len(self.checkpoints())

    def delete_pod(self, role: str, *, signalled: bool) -> None:
        """Delete a pod of its job: with SIGTERM and its grace period, or at once."""
        path = f"{pods_path(self.site.cluster)}/{self.name}-{role}"
        self.site.cluster.call("DELETE", path, {} if signalled else {"gracePeriodSeconds": 0})

    def committed(self) -> Folder:
        """The model."""
        from platen.core.stage import open_folder

        names = store_for(self.workspace).list(join(self.workspace, "train"))
        return open_folder(join(self.workspace, "train", next(name for name in names if not name.startswith("."))))

    def observed(self) -> dict[str, Any]:
        """What its run.json says."""
        return dict(json.loads(self.committed().read("run.json") or b"{}"))

    def losses(self) -> list[float]:
        """The loss of every step."""
        return list(json.loads(self.committed().read("history.json") or b"{}")["loss"])

    def run_in(self, pod: str, code: str) -> str:
        """Run Python in a pod of the job; what it printed."""
        return run_in(self.site.cluster, pod, "pytorch", ["python", "-c", code])

    def end(self) -> None:
        """Leave nothing behind."""
        for step in self.steps:
            step.process.kill()
            step.process.wait()
        for pod in self.step_pods:
            pod.delete(signalled=False)
        self.site.cluster.delete(f"{jobs_path(self.site.cluster)}/{self.name}")


@dataclass
class Step:
    """A running train step, and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """All that it has said, as the objects that it wrote."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, words: str) -> bool:
        """Whether a line has these words."""
        return any(words in line["message"] for line in self.lines())

    def wait_for(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until it has said something."""
        wait_until(lambda: self.said(words) or self.process.poll() is not None, seconds, f"{words!r} was never said")
        assert self.said(words), self.log.read_text()

    def ended(self, seconds: float = 240) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """End it without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class StepPod:
    """A pod in which the train step runs."""

    cluster: Cluster
    name: str

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"{pods_path(self.cluster)}/{self.name}"

    def log(self) -> str:
        """What it has said; nothing before its container runs."""
        try:
            return self.cluster.stream(f"{self.path}/log").read().decode()
        except RefusedError:
            return ""

    def wait_for(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until it has said something."""
        wait_until(lambda: words in self.log() or self.exit_code() is not None, seconds, f"{words!r} was never said")
        assert words in self.log(), self.log()

    def exit_code(self) -> int | None:
        """What its container ended with; None while it runs."""
        states = ((self.cluster.get(self.path) or {}).get("status") or {}).get("containerStatuses") or []
        ends = [state["state"]["terminated"]["exitCode"] for state in states if "terminated" in state["state"]]
        return ends[0] if ends else None

    def ended(self, seconds: float = 240) -> int:
        """Its exit code, once it has ended."""
        wait_until(lambda: self.exit_code() is not None, seconds, f"the pod {self.name} did not end:\n{self.log()}")
        return int(self.exit_code() or 0)

    def signal(self) -> None:
        """Tell its process to end, as Argo does where a run is cancelled: the pod stays."""
        run_in(self.cluster, self.name, "main", ["sh", "-c", "kill -TERM 1"])

    def delete(self, *, signalled: bool) -> None:
        """Delete it: with SIGTERM and the time that pods have, or at once as when its node is lost."""
        body = {} if signalled else {"gracePeriodSeconds": 0}
        try:
            self.cluster.call("DELETE", self.path, body)
        except RefusedError as error:
            if error.status != 404:
                raise


def run_in(cluster: Cluster, pod: str, container: str, command: list[str]) -> str:
    """Run something in a pod, as kubectl exec does; what it printed."""
    from kubernetes import client
    from kubernetes.stream import stream

    api = client.CoreV1Api(client.ApiClient(cluster.api.configuration))
    return str(
        stream(
            api.connect_get_namespaced_pod_exec, pod, cluster.namespace, container=container,
            command=command, stderr=True, stdin=False, stdout=True, tty=False,
        )
    )  # fmt: skip


def suspended_job(**metadata: Any) -> Object:
    """A training job that never has pods."""
    pod = {"spec": {"containers": [{"name": "pytorch", "image": "platen/train:none"}]}}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": metadata,
        "spec": {
            "runPolicy": {"suspend": True},
            "pytorchReplicaSpecs": {"Master": {"replicas": 1, "restartPolicy": "Never", "template": pod}},
        },
    }


@contextmanager
def quota(cluster: Cluster, **hard: str) -> Iterator[None]:
    """A quota of the namespace, in force."""
    path = f"/api/v1/namespaces/{cluster.namespace}/resourcequotas"
    named = {name.replace("__", "/").replace("_", "."): amount for name, amount in hard.items()}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": named}}
    cluster.create(path, body)
    wait_until(lambda: "used" in (cluster.get(f"{path}/small") or {}).get("status", {}), 20, "no quota came into force")
    try:
        yield
    finally:
        cluster.delete(f"{path}/small")
