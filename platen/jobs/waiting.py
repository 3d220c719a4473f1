"""Why the pods of a job do not run, from conditions, container states and events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platen.jobs.cluster import Cluster, Object
from platen.jobs.pods import has_started, is_suspended, unschedulable

WAITING = {"ContainerCreating", "PodInitializing"}  # says nothing: the events tell why


def pending_reason(cluster: Cluster, job: Object, pods: Sequence[Object], nodes: int) -> str:
    """Say what keeps the pods from running, one sentence per cause."""
    if is_suspended(job):
        return not_admitted(cluster, job)
    causes = [cause for pod in pods if not has_started(pod) for cause in pod_pending_reasons(cluster, pod)]
    if len(pods) < nodes:
        causes += warnings_of(cluster, job) or [
            f"{nodes - len(pods)} of {nodes} pods were never made; is the training operator running?"
        ]
    return "; ".join(dict.fromkeys(causes)) or "the cluster gives no reason"


def pod_pending_reasons(cluster: Cluster, pod: Object) -> list[str]:
    """List what keeps a pod from running."""
    name, status = pod["metadata"]["name"], pod["status"]
    if (why := unschedulable(pod)) is not None:
        return [f"{name} cannot be scheduled: {why}"]
    told = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    stuck = [waits for entry in told if (waits := entry["state"].get("waiting")) and waits["reason"] not in WAITING]
    if stuck:
        return [f"{name}: {waits['reason']}: {waits.get('message', '')}" for waits in stuck]
    if is_moving_on(cluster, pod):
        return []
    return [f"{name}: {message}" for message in warnings_of(cluster, pod)]


def is_moving_on(cluster: Cluster, pod: Object) -> bool:
    """Return whether the newest event of a pod is not a warning: it has been scheduled, or is pulling its image."""
    events = events_of(cluster, pod)
    return bool(events) and events[-1]["type"] == "Normal"


def warnings_of(cluster: Cluster, thing: Object) -> list[str]:
    """What the events warn of, the newest two."""
    warnings = [event["message"] for event in events_of(cluster, thing) if event["type"] == "Warning"]
    return list(dict.fromkeys(warnings))[-2:]


def events_of(cluster: Cluster, thing: Object) -> list[Object]:
    """Return the events of an object, the newest last."""
    path = f"/api/v1/namespaces/{cluster.namespace}/events"
    events = cluster.items(path, fieldSelector=f"involvedObject.uid={thing['metadata']['uid']}")
    return sorted(events, key=last_seen)


def last_seen(event: Object) -> str:
    """When an event was last seen."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])


def not_admitted(cluster: Cluster, job: Object) -> str:
    """What Kueue says of a job that it has not let start."""
    queue = job["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name", "")
    path = f"/apis/kueue.x-k8s.io/v1beta1/namespaces/{cluster.namespace}/workloads"
    told = [message for workload in cluster.items(path) if owned(workload, job) for message in unmet(workload)]
    return f"the queue {queue!r} of Kueue has not admitted it: " + ("; ".join(told) or "it has not looked at the job")


def owned(workload: Object, job: Object) -> bool:
    """Whether a workload stands for this job."""
    owners: Iterable[Object] = workload["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == job["metadata"]["uid"] for owner in owners)


def unmet(workload: Object) -> list[str]:
    """The conditions of a workload that do not hold, in Kueue's words."""
    conditions = workload.get("status", {}).get("conditions", [])
    return [entry["message"] for entry in conditions if entry["status"] == "False" and entry.get("message")]
