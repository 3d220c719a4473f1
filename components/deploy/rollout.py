"""A rollout of the Deployment: how far it is, and why it will not end well."""

from __future__ import annotations

import time

from platen.components.deploy.deployment import NO_OUTPUT, Deployment, Model
from platen.core.errors import ProcessError
from platen.core.telemetry import log
from platen.jobs.cluster import Object
from platen.jobs.exit_codes import USERS
from platen.jobs.pods import HOPELESS, condition, unschedulable

POLL_SECONDS = 1.0
STOP_SECONDS = 60.0
CRASHES = 2  # of one container, after which it is not waited for any longer


class ReplacedError(ProcessError):
    """Somebody else has set another model in the meantime: theirs is not touched."""


def wait(deployment: Deployment, model: Model | None) -> float:
    """Wait until every pod of the Deployment serves a model; the seconds that it took.

    Source of the conditions: `kubectl rollout status`.

    Raises:
        ReplacedError: Another model was set meanwhile.
        ProcessError: It was not done in time, or its pods fail; with the reason.
    """
    started, said = time.monotonic(), ""
    limit = deployment.settings.rollout_seconds
    while True:
        seen = deployment.get()
        check(deployment, seen, model)
        left = what_is_left(seen)
        if not left:
            return time.monotonic() - started
        if left != said:
            log.info("deploy: %s: %s", deployment, left)
            said = left
        fault = next((fault for pod in deployment.pods(model) if (fault := fault_of(deployment, pod))), None)
        if fault is None and is_overdue(seen):
            fault = "the Deployment exceeded its progressDeadlineSeconds"
        elif fault is None and time.monotonic() - started > limit:
            fault = f"not done after {limit:g} s (deploy.deployment.rollout_seconds)"
        if fault is not None:
            raise ProcessError(
                f"the rollout of {model} on {deployment} failed: {fault}; {left}; {why(deployment, model)}"
            )
        time.sleep(POLL_SECONDS)


def wait_until_stopped(deployment: Deployment) -> None:
    """Wait until the Deployment has no pods; those that finish what they accepted are no longer its own."""
    until = time.monotonic() + STOP_SECONDS
    while left := what_is_left(deployment.get()):
        if time.monotonic() > until:
            raise ProcessError(f"{deployment} has pods {STOP_SECONDS:g} s after it was scaled to 0: {left}")
        time.sleep(POLL_SECONDS)


def check(deployment: Deployment, seen: Object, model: Model | None) -> None:
    """Raise ReplacedError where the Deployment has another model by now, ProcessError where it is to have no pods."""
    there = deployment.model(seen)
    if there != model:
        raise ReplacedError(f"{there} was set on {deployment} while {model} was rolled out; it is left as it is")
    if seen["spec"].get("replicas", 1) == 0:
        scale = f"kubectl -n {deployment.cluster.namespace} scale deployment {deployment.settings.name} --replicas=1"
        raise ProcessError(f"{deployment} is scaled to 0, so nothing would serve {model}; {scale}")


def what_is_left(seen: Object) -> str:
    """What is not done yet of a rollout; empty when nothing is."""
    status, wanted = seen.get("status", {}), seen["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < seen["metadata"]["generation"]:
        return "the controller has not seen it yet"
    every, new = status.get("replicas", 0), status.get("updatedReplicas", 0)
    ready = status.get("availableReplicas", 0)
    if new < wanted:
        return f"{new} of {wanted} pods are new"
    if every > new:
        return f"{every - new} old pods are still there"
    return f"{ready} of {new} new pods are available" if ready < new else ""


def is_overdue(seen: Object) -> bool:
    """Whether the controller has given the rollout up."""
    status = seen.get("status", {})
    if status.get("observedGeneration", 0) < seen["metadata"]["generation"]:
        return False
    return any(entry.get("reason") == "ProgressDeadlineExceeded" for entry in status.get("conditions", []))


def fault_of(deployment: Deployment, pod: Object) -> str | None:
    """Why a pod will not become ready, however long one waits; None where it may, or is, whatever it went through."""
    if is_ready(pod):
        return None
    name = pod["metadata"]["name"]
    for status in [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]:
        waits = status["state"].get("waiting", {})
        if waits.get("reason") in HOPELESS:
            return f"pod {name}: {waits['reason']}: {waits.get('message', '')}"
        ended = status["state"].get("terminated") or status.get("lastState", {}).get("terminated")
        ours = status["name"] == deployment.settings.container  # which ends with USERS where its model cannot be used
        if ended and (status["restartCount"] >= CRASHES or (ours and ended["exitCode"] == USERS)):
            return f"pod {name}: {ending(status['name'], ended)}{words(deployment, pod, status)}"
    return None


def ending(container: str, ended: Object) -> str:
    """How a container ended."""
    reason = "" if ended.get("reason") in (None, "Error") else f" ({ended['reason']})"
    return f"{container} ended with exit code {ended['exitCode']}{reason}"


def words(deployment: Deployment, pod: Object, status: Object) -> str:
    """What the server said before it ended; nothing of other containers."""
    if status["name"] != deployment.settings.container:
        return ""
    again = "running" in status["state"] and "terminated" in status.get("lastState", {})
    name = pod["metadata"]["name"]
    said = deployment.last_words(name, previous=again)
    if said == NO_OUTPUT and not again:  # it may have been restarted since its status was read
        said = deployment.last_words(name, previous=True)
    return f": {said}"


def why(deployment: Deployment, model: Model | None) -> str:
    """What the first of the model's pods that is not ready waits for."""
    for pod in deployment.pods(model):
        if not is_ready(pod):
            return f"pod {pod['metadata']['name']} {why_not_ready(deployment, pod)}"
    return "all of its pods are ready"


def is_ready(pod: Object) -> bool:
    """Whether it takes requests."""
    return condition(pod, "Ready") is not None


def why_not_ready(deployment: Deployment, pod: Object) -> str:
    """What a pod waits for."""
    if (reason := unschedulable(pod)) is not None:
        return f"cannot be scheduled: {reason}"
    for status in pod["status"].get("containerStatuses", []):
        waits = status["state"].get("waiting")
        if waits is not None:
            return f"waits: {waits.get('reason', '')}: {waits.get('message', '')}"
    return f"is not ready: {deployment.last_words(pod['metadata']['name'], previous=False)}"
