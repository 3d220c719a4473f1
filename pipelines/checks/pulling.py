"""Whether the images of a pod can be pulled, from what its containers wait for."""

from __future__ import annotations

from typing import NamedTuple

from platen.jobs.cluster import Object

NEVER = ("InvalidImageName", "ErrImageNeverPull")
FAILED = ("ErrImagePull", "ImagePullBackOff")
FINAL = ("not found", "notfound", "unauthorized", "denied", "forbidden", "authentication required", "manifest unknown")
NOT_HERE = "no match for platform"  # on a node of another architecture than those that the steps go to


class Fault(NamedTuple):
    """Why an image is not there; `final` where waiting does not help."""

    words: str
    final: bool


def pull_faults(pod: Object) -> dict[str, Fault]:
    """List the images that a pod waits for in vain."""
    status = pod.get("status", {})
    told = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    waits = {entry["image"]: entry["state"]["waiting"] for entry in told if "waiting" in entry.get("state", {})}
    return {image: fault for image, waiting in waits.items() if (fault := _fault(waiting)) is not None}


def _fault(waiting: Object) -> Fault | None:
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    words = f"{reason}: {message}" if message else reason
    if reason in NEVER:
        return Fault(words, final=True)
    if reason in FAILED:
        return Fault(words, final=is_final(words))
    return None


def is_final(words: str) -> bool:
    """Whether what a registry answered, in the words of the kubelet, will be the same the next time."""
    return NOT_HERE not in words.lower() and any(word in words.lower() for word in FINAL)


def is_there(entry: Object) -> bool:
    """Whether a container's image was pulled: it has started, or failed of something else."""
    state = entry.get("state", {})
    return "running" in state or "terminated" in state or bool(entry.get("imageID"))
