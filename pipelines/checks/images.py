"""Whether the images of the run can be pulled: tried by a pod of a minute, where this account may make one.

The images that only trainings use are the business of train's own probe, which a PyTorchJob carries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from platen.core.errors import PlatenError
from platen.core.images import RUN_IMAGES
from platen.jobs.cluster import LABELS, Cluster, Object, RefusedError, own_namespace
from platen.jobs.own_pod import find_pod, workflows_of
from platen.jobs.preflight import NotPulledError, probe
from platen.jobs.probe import command
from platen.jobs.rights import may
from platen.pipelines.checks.finding import Finding, from_error, missing, not_checked, ok
from platen.pipelines.checks.pulling import Fault, is_final, is_there, pull_faults
from platen.pipelines.checks.site import Site

SECONDS = 45.0  # after which it is not looked at any longer: a slow pull is no fault
USER = 10001  # as in the images
# of this step's own pod: what decides with which credentials, and on which nodes, images are pulled
TAKEN = ("serviceAccountName", "imagePullSecrets", "nodeSelector", "affinity", "tolerations")


def of_training(site: Site) -> Iterator[Finding]:
    """Have train's probe start its image in a pod like the real ones, and write the workspace from there."""
    if site.jobs is None or site.job is None:
        return
    item = "a training pod (image, workspace)"
    if site.settings is not None and site.settings.plan.use:
        yield not_checked(item, "the plan decides what the job asks for; train looks")
        return
    try:
        well = probe(site.jobs, site.job, command(site.workspace))
        yield ok(item) if well else not_checked(item, "its probe did not get to run in time; the log says why")
    except NotPulledError as error:  # a registry that is away for now may be back when the training starts
        yield from_error(item, error) if is_final(error.words) else not_checked(item, str(error))
    except PlatenError as error:
        full = "exceeded quota" in str(error)  # by others, now: the quota itself is an item of its own
        yield not_checked(item, str(error)) if full else from_error(item, error)


def of_steps(site: Site) -> Iterator[Finding]:
    """Have a pod pull the images of the run's tasks."""
    here = own_namespace()
    if site.cluster is None or here is None or not site.images:
        return
    cluster, item = replace(site.cluster, namespace=here), "images of the later steps"
    if not all(may(cluster, verb, "", "pods") for verb in ("create", "get", "delete")):
        yield not_checked(item, f"this account must not make pods in the namespace {here}")
        return
    yield from _tried(cluster, item, site.images)


def _tried(cluster: Cluster, item: str, images: Mapping[str, str]) -> Iterator[Finding]:
    pods = f"/api/v1/namespaces/{cluster.namespace}/pods"
    try:
        made = cluster.create(pods, trial_pod(find_pod(cluster), images))
    except RefusedError as error:  # a quota or a policy of the namespace, which says nothing of the images
        yield not_checked(item, str(error))
        return
    path = f"{pods}/{made['metadata']['name']}"
    try:
        there, faults = wait_for_images(cluster, path, len(set(images.values())))
    finally:
        cluster.call("DELETE", path, {"gracePeriodSeconds": 0})
    final = {image: fault for image, fault in faults.items() if fault.final}
    for image, fault in final.items():
        names = ", ".join(stage for stage, used in images.items() if used == image)
        fix = (
            "push it (make images REGISTRY=... PUSH=1), or compile with images that are there (--registry, --tag); "
            "a private registry needs image_pull_secrets in the file of `platen compile --cluster`"
        )
        yield missing(f"image {image} (of {names})", fault.words, fix)
    left = len(set(images.values())) - there - len(final)
    if left:
        why = (
            "; ".join(fault.words for fault in faults.values() if not fault.final)
            or f"not pulled within {SECONDS:.0f} s"
        )
        yield not_checked(item, f"{left} of {len(set(images.values()))}: {why}")
    elif not final:
        yield ok(item, f"{there} images")


def wait_for_images(cluster: Cluster, path: str, wanted: int) -> tuple[int, dict[str, Fault]]:
    """Wait until every image is there or surely cannot be; how many are there, and what is wrong with others."""
    until, final = time.monotonic() + SECONDS, dict[str, Fault]()
    while True:
        pod = cluster.get(path) or {}
        images = {container["name"]: container["image"] for container in pod.get("spec", {}).get("containers", [])}
        statuses = pod.get("status", {}).get("containerStatuses", [])
        there = {images[entry["name"]] for entry in statuses if is_there(entry)}
        faults = pull_faults(pod)
        final |= {image: fault for image, fault in faults.items() if fault.final}  # a back-off may not say of what
        final = {image: fault for image, fault in final.items() if image not in there}
        if len(there) + len(final) >= wanted or time.monotonic() > until:
            return len(there), faults | final
        time.sleep(0.5)


def trial_pod(own: Object | None, images: Mapping[str, str]) -> Object:
    """Build a pod with a container per image, each of which ends at once; it is pulled for as this step's own pod."""
    spec = own["spec"] if own is not None else {}
    taken = {name: spec[name] for name in TAKEN if name in spec}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "platen-images-",
            "labels": {**LABELS, "platen.dev/task": "images", "sidecar.istio.io/inject": "false"},
            "annotations": {"sidecar.istio.io/inject": "false"},
            "ownerReferences": workflows_of(own) if own is not None else [],
        },
        "spec": {
            **taken,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(SECONDS * 2),
            "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(number, image) for number, image in enumerate(sorted(set(images.values())))],
        },
    }


def _container(number: int, image: str) -> Object:
    amounts = {"cpu": "10m", "memory": "32Mi"}
    return {
        "name": f"image-{number}",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["true"],
        "resources": {"requests": amounts, "limits": {**amounts, "cpu": "100m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def on_nodes(site: Site) -> Iterator[Finding]:
    """Look from outside which images the nodes hold: whether the others can be pulled only a pod can tell."""
    if site.cluster is None or not site.images:
        return
    item = "images of the steps"
    try:
        nodes = site.cluster.items("/api/v1/nodes")
    except RefusedError:
        nodes = []
    held = {name for node in nodes for entry in node["status"].get("images", []) for name in entry.get("names") or []}
    absent = sorted({name for name in site.images.values() if not held & {name, f"docker.io/{name}"}})
    if absent:
        yield not_checked(item, f"no node holds {', '.join(absent)} yet; the run's preflight has a pod pull them")
    else:
        yield ok(item, "on the nodes")


def compiled_images() -> dict[str, str]:
    """Read the images of the run's tasks, as the compiled pipeline tells this one."""
    pairs = (pair.partition("=") for pair in os.environ.get(RUN_IMAGES, "").split())
    return {stage: image for stage, _, image in pairs}
