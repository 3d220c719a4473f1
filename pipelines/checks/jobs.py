"""What training jobs need of the cluster: the operator, the queue, priorities, and the reaper behind them."""

from __future__ import annotations

from collections.abc import Iterator

from platen.core.errors import ClusterError
from platen.jobs.cluster import Cluster
from platen.jobs.preflight import check_operator
from platen.pipelines.checks.finding import Finding, missing, ok
from platen.pipelines.checks.site import OVERLAY, Site, look, present

OPERATOR = (
    "kubectl apply --server-side -k "
    '"github.com/kubeflow/training-operator.git/manifests/overlays/standalone?ref=v1.9.3"'
)
REAPER = "platen-reap"


def operator(site: Site) -> Iterator[Finding]:
    """Look for Kubeflow's training operator."""
    if site.jobs is None:
        return
    item = "training operator (PyTorchJob, kubeflow.org/v1)"
    try:
        check_operator(site.jobs)
        yield ok(item)
    except ClusterError as error:
        if "has no PyTorchJob" not in str(error):
            raise
        yield missing(item, "this cluster has no PyTorchJob", f"{OPERATOR}; or train without train.job", user=False)


def queue(site: Site) -> Iterator[Finding]:
    """Look for the queue and the priority class that the job names."""
    cluster, job = site.jobs, site.job
    if cluster is None or job is None:
        return
    if job.kueue_queue is not None:
        yield _queue(cluster, job.kueue_queue)
    if job.priority_class is not None:
        item, path = f"PriorityClass {job.priority_class}", "/apis/scheduling.k8s.io/v1/priorityclasses"
        fix = "the component kueue of manifests/ makes platen-train; or leave out train.job.priority_class"
        yield present(cluster, item, f"{path}/{job.priority_class}", fix)


def _queue(cluster: Cluster, name: str) -> Finding:
    item = f"queue of Kueue {cluster.namespace}/{name}"
    group = cluster.get("/apis/kueue.x-k8s.io")
    if group is None:
        return missing(item, "this cluster has no Kueue", "install Kueue, or leave out train.job.kueue_queue")
    path = f"/apis/{group['preferredVersion']['groupVersion']}/namespaces/{cluster.namespace}/localqueues/{name}"
    fix = f"make the LocalQueue {name} in {cluster.namespace} (docs/kubernetes.md), or correct train.job.kueue_queue"
    return present(cluster, item, path, fix)


def reaper(site: Site) -> Iterator[Finding]:
    """Look for the CronJob that deletes jobs which nobody follows. A run does well without it."""
    cluster = site.jobs
    if cluster is None:
        return
    item = f"CronJob {cluster.namespace}/{REAPER}"
    found = look(cluster, item, f"/apis/batch/v1/namespaces/{cluster.namespace}/cronjobs/{REAPER}")
    if isinstance(found, Finding):
        yield found
    elif found is None:
        yield missing(item, "there is none: training jobs whose step is lost run on", OVERLAY, fatal=False)
    elif found["spec"].get("suspend"):
        resume = f"""kubectl -n {cluster.namespace} patch cronjob {REAPER} -p '{{"spec": {{"suspend": false}}}}'"""
        yield missing(item, "it is suspended: training jobs whose step is lost run on", resume, fatal=False)
    else:
        yield ok(item, found["spec"]["schedule"])
