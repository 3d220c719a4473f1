"""What the checks look at: a run's settings, where its parts are, and as whom to look."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.core.images import image
from platen.jobs.cluster import Cluster, Object, RefusedError
from platen.jobs.rights import AUTHORIZATION, Account
from platen.jobs.settings import JobSettings
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok

if TYPE_CHECKING:
    from platen.pipelines.package import Package
    from platen.pipelines.settings import RunSettings

OVERLAY = "kubectl apply -k OVERLAY, your overlay on manifests/ (docs/kubernetes.md)"


@dataclass(frozen=True)
class Site:
    """A cluster, seen by a run (preflight) or from outside (`platen doctor`).

    Attributes:
        settings: Of the run; None where only what any run needs is looked for.
        workspace, run: Where the run writes; empty without settings.
        cluster: The connection, in the namespace of the run's steps; None for a run that touches no cluster.
        inside: Whether this process is a step of the run: it may then try what doctor only looks at.
        home: The namespace of training jobs and server, where the settings name no other.
        account: Whose rights are asked for; None: those of this process.
        images: The images of the run's tasks, by stage; empty where nobody compiled it.
        package: The compiled pipeline, where there is one.
    """

    settings: RunSettings | None
    workspace: str
    run: str
    cluster: Cluster | None
    inside: bool
    home: str = ""
    account: Account | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    package: Package | None = None

    @property
    def job(self) -> JobSettings | None:
        """The job that trains, with the image of its pods; None where training needs none."""
        job = JobSettings.model_validate({}) if self.settings is None else self.settings.train.job
        if job is None or job.image is not None:
            return job
        return job.model_copy(update={"image": self.images.get("train") or _train_image()})

    @property
    def deployment(self) -> DeploymentSettings | None:
        """The Deployment that is released to; None where a release is tried on this machine."""
        return DeploymentSettings.model_validate({}) if self.settings is None else self.settings.deploy.deployment

    @property
    def jobs(self) -> Cluster | None:
        """The connection, in the namespace of training jobs; None where there is no job."""
        return self._in(self.home) if self.job is not None else None

    @property
    def server(self) -> Cluster | None:
        """The connection, in the namespace of the Deployment; None where there is none."""
        on = self.deployment
        return self._in(on.namespace or self.home) if on is not None else None

    @property
    def namespaces(self) -> dict[str, Cluster]:
        """The namespaces that the run's parts are in, by what is there."""
        places = {"steps": self.cluster, "training": self.jobs, "server": self.server}
        return {what: place for what, place in places.items() if place is not None}

    def _in(self, namespace: str) -> Cluster | None:
        return None if self.cluster is None else replace(self.cluster, namespace=namespace or self.cluster.namespace)


def _train_image() -> str:
    """The image of train where nobody compiled the run: beside this step's own, in a container of a local run."""
    own = os.environ.get("PLATEN_IMAGE", "")
    registry, found, tag = own.rpartition("/preflight:")
    return f"{registry}/train:{tag}" if found else image("train")


def who(site: Site) -> str:
    """Name the account whose rights are asked for."""
    if site.account is not None:
        return f"the account {site.account}"
    try:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = f"{AUTHORIZATION.replace('authorization', 'authentication')}/selfsubjectreviews"
        name = str(site.cluster.create(path, body)["status"]["userInfo"]["username"]) if site.cluster else ""
    except (RefusedError, KeyError):
        name = ""
    *_, namespace, account = ["", *name.split(":")]
    return f"the account {namespace}/{account}" if name.startswith("system:serviceaccount:") else "this account"


def present(cluster: Cluster, item: str, path: str, fix: str, *, fatal: bool = True) -> Finding:
    """Look whether there is an object at a path of the API server."""
    found = look(cluster, item, path)
    if isinstance(found, Finding):
        return found
    return ok(item) if found is not None else missing(item, "there is none", fix, fatal=fatal)


def look(cluster: Cluster, item: str, path: str, **query: str) -> Object | Finding | None:
    """Get an object; a finding where this account must not look at it."""
    try:
        return cluster.get(path, **query)
    except RefusedError as error:
        if must_not(error):
            return not_checked(item, "this account must not look")
        raise


def must_not(error: RefusedError) -> bool:
    """Whether a refusal is for a right that this account lacks."""
    return error.status in (401, 403)
