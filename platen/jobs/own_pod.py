"""The pod that this step runs in, as Kubernetes has it."""

from __future__ import annotations

import os
from dataclasses import replace

from platen.core.errors import ClusterError, PlatenError
from platen.jobs.cluster import Cluster, Object, connect, own_namespace


def workflow_path(cluster: Cluster, name: str) -> str:
    """Return the API path of an Argo Workflow in the cluster's namespace."""
    return f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{name}"


def own_workflow(cluster: Cluster) -> list[Object]:
    """The Argo Workflow that this step's pod belongs to, as owner: the job goes when the run is deleted.

    Not the pod itself: a step that is retried has another, and shall find its job.
    """
    pod = find_pod(cluster)
    return workflows_of(pod) if pod else []


def workflows_of(pod: Object) -> list[Object]:
    """The Argo Workflow that a pod belongs to, as owner; none, where Argo has not made it."""
    owners = pod["metadata"].get("ownerReferences", [])
    kept = ("apiVersion", "kind", "name", "uid")
    return [{key: owner[key] for key in kept} for owner in owners if owner["kind"] == "Workflow"]


def find_pod(cluster: Cluster) -> Object | None:
    """The step's pod in the cluster's namespace; None where it is not there (any more), or this is no step's pod."""
    name, uid = os.environ.get("KFP_POD_NAME"), os.environ.get("KFP_POD_UID")
    pod = cluster.get(f"/api/v1/namespaces/{cluster.namespace}/pods/{name}") if name else None
    return pod if pod is not None and uid in (None, pod["metadata"]["uid"]) else None


def is_evicted(cluster: Cluster) -> bool:
    """Whether this step's pod is deleted, evicted or drained: SIGTERM then does not mean that the run was cancelled.

    Whoever cancels a run has its containers signalled; the pod stays. So it does at first where a node shuts down or is
    short of something: then the run's Workflow says whether it was cancelled. Where nothing tells, it counts as that.
    """
    namespace = own_namespace()
    if namespace is None or "KFP_POD_NAME" not in os.environ:
        return False
    here = replace(cluster, namespace=namespace)
    try:
        pod = find_pod(here)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return True
        return any(not is_cancelled(here, owner["name"]) for owner in workflows_of(pod))
    except ClusterError:
        return False


def run_is_cancelled() -> bool | None:
    """Return whether the run that this step belongs to was cancelled; None where Kubernetes does not say."""
    namespace = own_namespace()
    if namespace is None or "KFP_POD_NAME" not in os.environ:
        return None
    try:
        here = connect(namespace)
        pod = find_pod(here)
        owners = workflows_of(pod) if pod else []
        return any(is_cancelled(here, owner["name"]) for owner in owners) if owners else None
    except PlatenError:
        return None


def is_cancelled(cluster: Cluster, workflow: str) -> bool:
    """Whether a run is to end: Kubeflow Pipelines gives its Workflow a deadline of 0 s, Argo says `shutdown`."""
    found = cluster.get(workflow_path(cluster, workflow))
    if found is None or "deletionTimestamp" in found["metadata"]:
        return True
    spec = found["spec"]
    return bool(spec.get("shutdown")) or spec.get("activeDeadlineSeconds") == 0
