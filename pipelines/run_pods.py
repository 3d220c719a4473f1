"""The pods of a run as Kubernetes sees them: why one does not start, and how one ended without leaving a record.

Kubeflow Pipelines tells neither (2.17): its error fields stay empty, and an image that cannot be pulled shows as a task
that runs. Argo labels every pod of a run, and notes on its Workflow what it could not even make a pod for.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from platen.core.errors import ClusterError, InputError
from platen.core.telemetry import log
from platen.jobs.cluster import Cluster, Object, connect, own_namespace
from platen.jobs.waiting import WAITING, pod_pending_reasons
from platen.pipelines.backend import Backend

RUN_LABEL = "pipeline/runid"
NODE_NAME = "workflows.argoproj.io/node-name"  # annotation of a pod: its place in the graph, with dots
INSTALLED = "kubeflow"  # namespace of an installation without profiles, and of its runs
REST = 60.0  # seconds for which an API server that does not answer is left alone


@dataclass
class RunPods:
    """The pods and the Workflow of one run; nothing is known of them where no cluster is found, or none answers."""

    cluster: Cluster | None
    namespace: str
    run_id: str
    tasks: Collection[str]
    away_until: float = field(default=0.0, init=False)
    seen: bool = field(default=False, init=False)  # whether anything of the run was ever found there

    def waiting(self) -> dict[str, str]:
        """Return why tasks do not start, by task; those that merely take a while to start are left out."""
        pods = self._pods()
        starting = [pod for pod in pods if pod["status"].get("phase") == "Pending"]
        causes = {self._task_of(pod): "; ".join(self._causes(pod)) for pod in starting}
        made = {_place(pod) for pod in pods}  # a driver's pod is there before its task's is refused
        refused = {place: said for place, said in self._nodes("Pending").items() if place not in made}
        refusals = {self._task(place, place): said for place, said in refused.items() if said not in WAITING}
        return {task: cause for task, cause in {**refusals, **causes}.items() if cause}

    def failed(self) -> dict[str, str]:
        """Return how tasks failed, by task: from their pods, else from what Argo noted on the Workflow."""
        ends = {self._task_of(pod): end for pod in self._pods() if (end := end_of(pod))}
        noted = self._nodes("Failed", "Error")
        return {**{self._task(place, place): said for place, said in noted.items()}, **ends}

    def command(self) -> str:
        """Return the command that shows why a task does not start, or how it ended."""
        return f"kubectl describe workflows,pods --namespace {self.namespace} --selector {RUN_LABEL}={self.run_id}"

    def _causes(self, pod: Object) -> list[str]:
        try:
            return pod_pending_reasons(self.cluster, pod) if self.cluster else []
        except ClusterError:  # events may be out of reach
            return []

    def _pods(self) -> list[Object]:
        return self._items(f"/api/v1/namespaces/{self.namespace}/pods")

    def _nodes(self, *phases: str) -> dict[str, str]:
        """Return the messages of the Workflow's pods in some phases, by their place in the graph."""
        workflows = self._items(f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/workflows")
        nodes = [node for workflow in workflows for node in workflow.get("status", {}).get("nodes", {}).values()]
        found = [node for node in nodes if node.get("type") == "Pod" and node.get("phase") in phases]
        return {node["name"]: node["message"] for node in found if node.get("message")}

    def _items(self, path: str) -> list[Object]:
        if self.cluster is None or time.monotonic() < self.away_until:
            return []
        try:
            found = self.cluster.items(path, labelSelector=f"{RUN_LABEL}={self.run_id}")
        except ClusterError as error:
            if not self.away_until:
                log.warning("what the run's pods do cannot be seen: %s", error)
            self.away_until = time.monotonic() + REST
            return []
        self.seen = self.seen or bool(found)
        return found

    def _task_of(self, pod: Object) -> str:
        return self._task(_place(pod), pod["metadata"]["name"])

    def _task(self, place: str, otherwise: str) -> str:
        """Return the innermost task in a place of the graph: `run.root.exit-handler-1.ingest.executor`."""
        names = [name.removesuffix("-driver") for name in reversed(place.split("."))]
        return next((name for name in names if name in self.tasks), otherwise)


def _place(pod: Object) -> str:
    place: str = pod["metadata"].get("annotations", {}).get(NODE_NAME, "")
    return place


def end_of(pod: Object) -> str:
    """Describe how a pod failed: the reason, the exit code, and its last words; empty where it did not."""
    status = pod["status"]
    statuses = sorted(status.get("containerStatuses", []), key=lambda entry: entry["name"] != "main")
    for ended in _terminated([*statuses, *status.get("initContainerStatuses", [])]):
        reason = "" if ended.get("reason") in (None, "Error") else f"{ended['reason']}, "
        words = f": {ended['message'].strip()}" if ended.get("message") else ""
        return f"{reason}exit code {ended['exitCode']}{words}"
    if status.get("phase") == "Failed":
        return " ".join(filter(None, [status.get("reason", "its pod failed"), status.get("message", "")]))
    return ""


def _terminated(statuses: Iterable[Object]) -> list[Object]:
    ends = [status.get("state", {}).get("terminated") for status in statuses]
    return [end for end in ends if end is not None and end["exitCode"] != 0]


def namespace_of(backend: Backend, given: str | None = None) -> str:
    """Return the namespace that a backend's runs are in: the profile's, or that of the installation."""
    return backend.namespace or given or own_namespace() or INSTALLED


def find_pods(namespace: str, run_id: str, tasks: Collection[str]) -> RunPods:
    """Return a look at the pods of a run, on the cluster that credentials are found for."""
    try:
        cluster = replace(connect(namespace), patience=0.0)
    except InputError:
        cluster = None
    return RunPods(cluster, namespace, run_id, tasks)
