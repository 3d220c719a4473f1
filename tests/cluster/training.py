"""Training jobs of the train step, started as a process as a pipeline's task is: with the rights of its account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from platen.cluster import Cluster, Object
from platen.components.train.pods import pods_of
from platen.components.train.pytorchjob import jobs_path, training
from platen.stage import Folder
from platen.storage import join, store_for
from tests.cluster.accounts import kubeconfig_of
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
    if "platen.components.train.main" in words and "platen.components.train.agent" not in words:
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

    def step(self, account: str = "pipeline-runner") -> Step:
        """Start the train step."""
        text = {name: value for name, value in self.settings if name != "job"}
        text["job"] = self.settings.job.model_dump(mode="json")
        run = self.site.folder / uuid.uuid4().hex[:8]
        run.mkdir()
        content = {"ingest": {"folder": "none"}, "workspace": self.workspace, "run": str(run), "train": text}
        (run / "settings.yaml").write_text(yaml.safe_dump(content))
        inputs = [word for name, folder in self.inputs.items() for word in ("--input", f"{name}={folder.uri}")]
        env = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig_of(self.site.cluster, account, run)),
            "PLATEN_SCRATCH": str(self.site.folder / "scratch"),
            "PLATEN_LOG": "json",
        }
        with (run / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "platen.cli", "train", "--settings", str(run / "settings.yaml"), *inputs],
                env=env, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        self.steps.append(Step(process, run / "log"))
        return self.steps[-1]

    @property
    def shared(self) -> str:
        """Where its checkpoints are, or were."""
        names = store_for(self.workspace).list(join(self.workspace, "train")) or ["none"]
        return join(self.workspace, "train", f".{names[0].lstrip('.')}")

    @property
    def name(self) -> str:
        """The name of its job."""
        return training(self.shared, "").name

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

    def committed(self) -> Folder:
        """The model."""
        from platen.stage import open_folder

        names = store_for(self.workspace).list(join(self.workspace, "train"))
        return open_folder(join(self.workspace, "train", next(name for name in names if not name.startswith("."))))

    def observed(self) -> dict[str, Any]:
        """What its run.json says."""
        return dict(json.loads(self.committed().read("run.json") or b"{}"))

    def losses(self) -> list[float]:
        """The loss of every step."""
        return list(json.loads(self.committed().read("history.json") or b"{}")["loss"])

    def run_in(self, pod: str, code: str) -> str:
        """Run Python in a pod, as kubectl exec does; what it printed."""
        from kubernetes import client
        from kubernetes.stream import stream

        api = client.CoreV1Api(client.ApiClient(self.site.cluster.api.configuration))
        return str(
            stream(
                api.connect_get_namespaced_pod_exec, pod, self.site.cluster.namespace, container="pytorch",
                command=["python", "-c", code], stderr=True, stdin=False, stdout=True, tty=False,
            )
        )  # fmt: skip

    def end(self) -> None:
        """Leave nothing behind."""
        for step in self.steps:
            step.process.kill()
            step.process.wait()
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

    def wait_for(self, words: str, seconds: float = 120) -> None:
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


def wait_until(true: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait until something holds; fail where it does not."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, otherwise
        time.sleep(0.3)


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
