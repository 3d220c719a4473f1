"""What the API server says of a job and its pods, in the few facts that count here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from platen.jobs.cluster import Cluster, Object
from platen.jobs.exit_codes import LOST_PEER, OUT_OF_TIME, STOPPED
from platen.jobs.pytorchjob import CONTAINER, pods_path

OVERDUE = 15.0  # seconds after its grace for which a pod that was deleted may still seem to run
HOPELESS = ("ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError")  # reasons: waiting does not help
MEANING = {
    LOST_PEER: "it lost its peers",
    STOPPED: "it was stopped, at a checkpoint if it had begun",
    OUT_OF_TIME: "its time (train.stop.budget_seconds) was used up, its checkpoint is saved",
}


@dataclass(frozen=True)
class End:
    """How a pod ended: its exit code (None where its container never had one), why, and when."""

    pod: str
    code: int | None
    reason: str
    finished: str

    @property
    def lost(self) -> bool:
        """Whether somebody or something took the pod away: killed, out of memory, evicted."""
        return self.code is None or (self.code >= 128 and self.code not in MEANING)

    def __str__(self) -> str:
        """As in the error's text."""
        code = "" if self.code is None else f"exit code {self.code}"
        return f"pod {self.pod} ended: {', '.join(filter(None, [code, self.reason or MEANING.get(self.code or 0)]))}"


def pods_of(cluster: Cluster, name: str, uid: str) -> list[Object]:
    """The pods of one job, not of an earlier one of its name."""
    found = cluster.items(pods_path(cluster), labelSelector=f"training.kubeflow.org/job-name={name}")
    return [pod for pod in found if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", []))]


def status_of(pod: Object) -> Object:
    """The status of the container that trains; empty where there is none yet."""
    statuses = pod["status"].get("containerStatuses", [])
    return next((status for status in statuses if status["name"] == CONTAINER), {})


def has_started(pod: Object) -> bool:
    """Whether the container runs or ran."""
    state = status_of(pod).get("state", {})
    return "running" in state or "terminated" in state


def has_ended(pod: Object) -> bool:
    """Whether nothing of the pod runs any more, or will."""
    return "terminated" in status_of(pod).get("state", {}) or pod["status"].get("phase") in ("Failed", "Succeeded")


def end_of(pod: Object) -> End | None:
    """How a pod failed; None where it runs or is done."""
    name, phase = pod["metadata"]["name"], pod["status"].get("phase")
    ended = status_of(pod).get("state", {}).get("terminated")
    why = pod["status"].get("reason", "")
    if ended is not None and ended["exitCode"] != 0:
        reason = why or (ended.get("reason", "") if ended.get("reason") != "Error" else "")
        code = None if why == "Evicted" else ended["exitCode"]
        return End(name, code, reason, ended.get("finishedAt") or "")
    if phase != "Failed":
        return None
    return End(name, None, why or first_failed(pod) or "failed", pod["metadata"].get("deletionTimestamp") or "")


def first_failed(pod: Object) -> str:
    """The init container that failed, in words: the operator's waits for the name of the master."""
    for status in pod["status"].get("initContainerStatuses", []):
        code = status.get("state", {}).get("terminated", {}).get("exitCode")
        if code:
            return f"init container {status['name']}, exit code {code}"
    return ""


def lost_pod(known: dict[str, Object], pods: Sequence[Object]) -> Object | None:
    """A pod that another one has replaced, or that is gone, as it was seen last; notes those that there are by name."""
    now = {pod["metadata"]["name"]: pod for pod in pods}
    uids = {pod["metadata"]["uid"] for pod in pods}
    lost = next((pod for pod in known.values() if pod["metadata"]["uid"] not in uids), None)
    known.update(now)
    return lost


def overdue_pod(pods: Sequence[Object]) -> Object | None:
    """A pod that should have ended by now: the node that would say so does not answer."""
    for pod in pods:
        due = pod["metadata"].get("deletionTimestamp")  # the time of the request and the grace
        if due and time.time() > parse_timestamp(due) + OVERDUE and not has_ended(pod):
            return pod
    return None


def condition(thing: Object, kind: str) -> Object | None:
    """Return a condition of a job or pod that is true."""
    found = thing.get("status", {}).get("conditions", [])
    return next((entry for entry in found if entry["type"] == kind and entry["status"] == "True"), None)


def unschedulable(pod: Object) -> str | None:
    """Return why no node takes a pod; None if one does, or the scheduler has not looked."""
    for entry in pod["status"].get("conditions", []):
        if entry["type"] == "PodScheduled" and entry["status"] != "True":
            return str(entry.get("message", entry.get("reason", "")))
    return None


def is_suspended(job: Object) -> bool:
    """Whether the job waits for a queue to admit it."""
    return bool(job["spec"].get("runPolicy", {}).get("suspend"))


def parse_timestamp(text: str) -> float:
    """Return a timestamp of the API server in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as the API server writes them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
