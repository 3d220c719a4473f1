"""Deletes training jobs that nobody follows any more: their step was taken away without a signal."""

from __future__ import annotations

import time

from platen.core.telemetry import log
from platen.jobs.cluster import LABELS, Cluster, Object, RefusedError
from platen.jobs.pods import condition, parse_timestamp
from platen.jobs.pytorchjob import FOLLOWED, jobs_path

SETTLE = 40.0  # seconds in which a follower that there is leaves a sign, also when the API server is just back


def reap(cluster: Cluster, older_than: float, settle: float = SETTLE) -> list[str]:
    """Delete unfinished jobs whose last sign of a follower is older than some seconds; the names of those deleted.

    They are given some seconds (`settle`) to change: while the API server was away nobody could leave a sign. One that
    has changed since it was looked at is left for the next time. Finished jobs are the operator's, after
    ttlSecondsAfterFinished.
    """
    selector = ",".join(f"{name}={value}" for name, value in LABELS.items())
    jobs = cluster.items(jobs_path(cluster), labelSelector=selector)
    left = [job for job in jobs if is_left(job, older_than)]
    if left:
        time.sleep(settle)
    return [job["metadata"]["name"] for job in left if delete_unchanged(cluster, job)]


def is_left(job: Object, older_than: float) -> bool:
    """Whether a job goes on, and nobody has followed it for some seconds."""
    metadata = job["metadata"]
    if "deletionTimestamp" in metadata or condition(job, "Succeeded") or condition(job, "Failed"):
        return False
    seen = metadata.get("annotations", {}).get(FOLLOWED) or metadata["creationTimestamp"]
    return time.time() - parse_timestamp(seen) > older_than


def delete_unchanged(cluster: Cluster, job: Object) -> bool:
    """Delete a job if it is still as it was seen; whether it was."""
    metadata = job["metadata"]
    unchanged = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    options = {"propagationPolicy": "Background", "preconditions": unchanged}
    try:
        cluster.call("DELETE", f"{jobs_path(cluster)}/{metadata['name']}", options)
    except RefusedError as error:
        if error.status not in (404, 409):
            raise
        return False
    seen = metadata.get("annotations", {}).get(FOLLOWED, "never")
    log.info("reap: deleted %s, last followed %s", metadata["name"], seen, extra={"data": {"job": metadata["name"]}})
    return True
