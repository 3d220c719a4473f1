"""Argo and its neighbours in small, on a real cluster: what makes the pods of a run, and tells the API how they end.

Kubeflow Pipelines' API is the stand-in of tests/pipelines/kfp_server.py; Workflows, ScheduledWorkflows and pods are
objects of a real cluster: labelled, owned, deleted and refused as there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from platen.jobs.cluster import Cluster, RefusedError
from platen.jobs.own_pod import workflow_path
from platen.pipelines.run_pods import NODE_NAME, RUN_LABEL
from tests.cluster.waiting import wait_until
from tests.pipelines.kfp_server import Look, State

Json = dict[str, Any]
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
NODE = "step"


def make_kind(cluster: Cluster, group: str, version: str, kind: str) -> None:
    """A kind of Argo or Kubeflow Pipelines, where the cluster does not have it; it stays."""
    plural = f"{kind.lower()}s"
    path = f"/apis/{group}/{version}/namespaces/{cluster.namespace}/{plural}"
    if cluster.get(f"{KINDS}/{plural}.{group}") is None:
        schema = {"openAPIV3Schema": ANYTHING}
        versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
        names = {"kind": kind, "plural": plural}
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
        body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
        cluster.apply(f"{KINDS}/{plural}.{group}", {**body, "metadata": {"name": f"{plural}.{group}"}})
    wait_until(lambda: cluster.get(path))


class Argo:
    """Makes a Workflow with one pod for every run of the API, and tells the API what becomes of it."""

    def __init__(self, cluster: Cluster, state: State, task: str, pod: Json, driver: Json | None) -> None:
        self.cluster, self.state, self.task, self.pod, self.driver = cluster, state, task, pod, driver
        self.owners: dict[str, Json] = {}  # of the Workflow of a run, by its id: the ScheduledWorkflow
        self.schedules: dict[str, str] = {}  # names of ScheduledWorkflows, by the recurring run

    def look(self) -> None:
        """Do what is to be done for every run."""
        with self.state.lock:
            runs = list(self.state.runs)
        for run_id in runs:
            self.follow(run_id)
        for recurring_run_id in self.schedules.keys() - self.state.recurring_runs.keys():
            self.cluster.delete(f"{self.scheduled}/{self.schedules.pop(recurring_run_id)}")

    def fire(self, recurring_run_id: str) -> str:
        """Have a recurring run start a run: a ScheduledWorkflow owns what comes of it. Returns the run's id."""
        name = f"recurring-{recurring_run_id[:8]}"
        body: Json = {"apiVersion": "kubeflow.org/v1beta1", "kind": "ScheduledWorkflow", "metadata": {"name": name}}
        made = self.cluster.create(self.scheduled, {**body, "spec": {}})
        self.schedules[recurring_run_id] = name
        with self.state.lock:
            run_id = str(self.state.fire(recurring_run_id)["run_id"])
            self.owners[run_id] = {
                **{name: body[name] for name in ("apiVersion", "kind")},
                **{name: made["metadata"][name] for name in ("name", "uid")},
            }
        return run_id

    def name(self, run_id: str) -> str:
        return f"run-{run_id[:8]}"

    def follow(self, run_id: str) -> None:
        name = self.name(run_id)
        workflow = self.cluster.get(workflow_path(self.cluster, name))
        if workflow is None:
            if "workflow" not in self.state.runs[run_id]:
                self.start(run_id)
            return
        pod = self.cluster.get(f"{self.pods}/{name}-{NODE}")
        phase = pod["status"].get("phase") if pod else None
        if run_id in self.state.terminated:
            self.cluster.merge(workflow_path(self.cluster, name), {"spec": {"activeDeadlineSeconds": 0}})
            self.cluster.delete(f"{self.pods}/{name}-{NODE}")
        elif phase in ("Failed", "Succeeded"):
            self.show(run_id, phase.upper())

    def start(self, run_id: str) -> None:
        """Make the Workflow and its pod; what refuses the pod is noted on the Workflow, and the run has failed."""
        name, labels = self.name(run_id), {RUN_LABEL: run_id}
        body: Json = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {}}
        body["metadata"] = {"name": name, "labels": labels}
        if run_id in self.owners:
            body["metadata"]["ownerReferences"] = [self.owners[run_id]]
        made = self.cluster.create(workflow_path(self.cluster, ""), body)
        self.state.runs[run_id]["workflow"] = name
        owner = {"apiVersion": body["apiVersion"], "kind": "Workflow", "name": name, "uid": made["metadata"]["uid"]}
        place = f"{name}.root.exit-handler-1.{self.task}.executor"
        if self.driver is not None:
            before = f"{name}.root.exit-handler-1.{self.task}-driver"
            self.make_pod(run_id, f"{name}-driver", before, owner, self.driver)
        self.show(run_id, "RUNNING")
        try:
            self.make_pod(run_id, f"{name}-{NODE}", place, owner, self.pod)
        except RefusedError as error:
            full = "exceeded quota" in str(error)  # Argo waits for room; anything else ends the node
            node = {"name": place, "type": "Pod", "phase": "Pending" if full else "Error", "message": str(error)}
            self.cluster.merge(workflow_path(self.cluster, name), {"status": {"nodes": {NODE: node}}})
            if not full:
                self.show(run_id, "FAILED")

    def make_pod(self, run_id: str, name: str, place: str, owner: Json, given: Json) -> None:
        account = self.state.runs[run_id].get("service_account") or "default"
        metadata = {"name": name, "labels": {RUN_LABEL: run_id}, "annotations": {NODE_NAME: place}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "ownerReferences": [owner]}}
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "serviceAccountName": account}
        self.cluster.create(self.pods, {**pod, "spec": {**spec, **given}})

    def show(self, run_id: str, state: str) -> None:
        self.state.runs[run_id]["looks"] = [Look(state, {self.task: state})]

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.cluster.namespace}/pods"

    @property
    def scheduled(self) -> str:
        return f"/apis/kubeflow.org/v1beta1/namespaces/{self.cluster.namespace}/scheduledworkflows"

    def left(self, run_id: str) -> list[Json]:
        """The pods of a run that are there."""
        return self.cluster.items(self.pods, labelSelector=f"{RUN_LABEL}={run_id}")


@contextmanager
def argo(cluster: Cluster, state: State, task: str, pod: Json, driver: Json | None = None) -> Iterator[Argo]:
    """Argo at work in the background; with a `driver`, the task's pod has that one before it."""
    make_kind(cluster, "argoproj.io", "v1alpha1", "Workflow")
    make_kind(cluster, "kubeflow.org", "v1beta1", "ScheduledWorkflow")
    made, stop = Argo(cluster, state, task, pod, driver), threading.Event()

    def work() -> None:
        while not stop.is_set():
            made.look()
            time.sleep(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()
