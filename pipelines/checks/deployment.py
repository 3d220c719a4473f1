"""The Deployment that a release goes to, its container, its Service, and whether its pods get their image."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from platen.components.deploy.deployment import Deployment
from platen.core.errors import InputError, SettingsError
from platen.jobs.cluster import Cluster, Object, RefusedError
from platen.pipelines.checks.finding import Finding, from_error, missing, not_checked, ok
from platen.pipelines.checks.pulling import pull_faults
from platen.pipelines.checks.site import OVERLAY, Site, must_not


def check(site: Site) -> Iterator[Finding]:
    """Look for the Deployment and what belongs to it."""
    if site.server is None or site.deployment is None:
        yield from _nowhere(site)
        return
    deployment = Deployment(site.server, site.deployment)
    item = f"Deployment {deployment}"
    try:
        seen = deployment.get()
    except RefusedError as error:
        if not must_not(error):
            raise
        yield not_checked(item, "this account must not look; its rights are an item of their own")
        return
    except InputError as error:
        yield missing(item, str(error), _fix(site.server, deployment, error))
        return
    yield ok(item, f"container {site.deployment.container}")
    yield from _pods(deployment, seen)
    yield _service(deployment)


def _nowhere(site: Site) -> Iterator[Finding]:
    if not site.inside or find_spec("uvicorn") is None:  # as deploy decides it; no image of a step's holds a server
        problem = "not set: pods have no server to test a release on"
        yield from_error("deploy.deployment", SettingsError("deploy.deployment", problem, "{} for platen-serve"))


def _fix(cluster: Cluster, deployment: Deployment, error: InputError) -> str:
    """How to put it right; with the namespace that has such a Deployment, where this account may look for it."""
    if "there is no Deployment" not in str(error):
        return "set deploy.deployment.container to the name of the container that serves"
    selector = f"metadata.name={deployment.settings.name}"
    try:
        found = cluster.items("/apis/apps/v1/deployments", fieldSelector=selector)
    except RefusedError:
        found = []
    places = [thing["metadata"]["namespace"] for thing in found]
    if places:
        return f"set deploy.deployment.namespace: {' or '.join(places)}, where there is one, or {OVERLAY}"
    ask = f"kubectl get deployments -A --field-selector {selector}"
    return f"set deploy.deployment.namespace to the namespace that has it ({ask}), or {OVERLAY}"


def _service(deployment: Deployment) -> Finding:
    item = f"Service {deployment.cluster.namespace}/{deployment.settings.service}"
    try:
        return ok(item, deployment.url())
    except RefusedError as error:
        if not must_not(error):
            raise
        return not_checked(item, "this account must not look; its rights are an item of their own")
    except InputError as error:
        return missing(item, str(error), f"{OVERLAY}, or set deploy.deployment.service to the Service in front of it")


def _pods(deployment: Deployment, seen: Object) -> Iterator[Finding]:
    labels = seen["spec"]["selector"].get("matchLabels", {})
    chosen = ",".join(f"{name}={value}" for name, value in labels.items())
    item = f"image of {deployment}"
    try:
        pods = deployment.cluster.items(f"/api/v1/namespaces/{deployment.cluster.namespace}/pods", labelSelector=chosen)
    except RefusedError as error:
        if not must_not(error):
            raise
        yield not_checked(item, "this account must not list pods")
        return
    faults = dict(fault for pod in pods for fault in pull_faults(pod).items())
    for image, fault in faults.items():
        fix = f"push {image}, or name another in the overlay (images:), with a Secret to pull it (imagePullSecrets)"
        yield missing(item, f"its pods cannot pull {image}: {fault.words}", fix, user=False, fatal=fault.final)
    if pods and not faults:
        yield ok(item)
