"""`platen doctor`: what a cluster lacks for Platen, seen from a user's machine. It writes nothing there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platen.core.errors import ClusterError
from platen.core.storage import join
from platen.jobs.cluster import Cluster, RefusedError, connect, own_namespace
from platen.jobs.rights import Account
from platen.pipelines.checks import backend
from platen.pipelines.checks.compiled import asked
from platen.pipelines.checks.finding import Finding, missing, ok
from platen.pipelines.checks.registry import CHECKS, made
from platen.pipelines.checks.site import Site
from platen.pipelines.package import Package
from platen.pipelines.run_pods import INSTALLED
from platen.pipelines.settings import RunSettings

ACCOUNTS = ("pipeline-runner", "default-editor")  # of steps: in a single-user installation, in a profile


@dataclass(frozen=True)
class Asked:
    """What the command line says; None where it does not."""

    settings: RunSettings | None = None
    package: Package | None = None
    namespace: str | None = None
    host: str | None = None
    token_file: Path | None = None
    service_account: str | None = None


def examine(given: Asked) -> Iterator[Finding]:
    """Make every check, one finding per item. Raises InputError where no cluster is named."""
    cluster = connect(given.namespace or own_namespace() or INSTALLED)
    item = f"Kubernetes at {cluster.api.configuration.host}"
    try:
        version = cluster.call("GET", "/version")["gitVersion"]
    except ClusterError as error:
        yield missing(item, str(error), "correct KUBECONFIG, or its context: kubectl cluster-info")
        return
    yield ok(item, version)
    yield _backend(given, cluster)
    checks = [check for check in CHECKS if check.doctor]
    yield from made(checks, site_of(given, cluster))


def _backend(given: Asked, cluster: Cluster) -> Finding:
    from platen.pipelines.backend import HOST

    host = given.host or os.environ.get(HOST)
    return backend.at_address(host, given.namespace, given.token_file) if host else backend.in_cluster(cluster)


def site_of(given: Asked, cluster: Cluster) -> Site:
    """Build what the checks look at: the run's settings, and what its pods were compiled with."""
    pods = asked(given.package) if given.package is not None else {}
    told = {pod.environment["PLATEN_NAMESPACE"] for pod in pods.values() if "PLATEN_NAMESPACE" in pod.environment}
    home = min(told, default=None) or ("" if pods else os.environ.get("PLATEN_NAMESPACE", ""))
    chosen = given.settings
    workspace = chosen.workspace if chosen is not None else ""
    named = chosen is not None and "run" in chosen.model_fields_set
    return Site(
        chosen,
        workspace,
        chosen.run if chosen is not None and named else join(workspace, "runs"),
        cluster,
        inside=False,
        home=home or cluster.namespace,
        account=Account(cluster.namespace, given.service_account or _account(cluster)),
        images={stage: pod.image for stage, pod in pods.items()},
        package=given.package,
    )


def _account(cluster: Cluster) -> str:
    """The account that steps run as where nobody says: the one of the two that is there."""
    for name in ACCOUNTS:
        try:
            if cluster.get(f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/{name}") is not None:
                return name
        except RefusedError:
            break
    return ACCOUNTS[0]
