"""The rights that train and deploy need, each in the namespace where it works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from platen.components.deploy.rights import needed
from platen.jobs.cluster import Cluster, RefusedError
from platen.jobs.preflight import NEEDED
from platen.jobs.rights import Right, lacking
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok
from platen.pipelines.checks.site import Site, must_not, who

ROLE = "platen-pipeline"


def of_train(site: Site) -> Iterator[Finding]:
    """Look for the rights to start a training job and to follow it."""
    if site.jobs is not None:
        yield _rights(site, "rights of train", site.jobs, NEEDED, "set PLATEN_NAMESPACE to where it has them")


def of_deploy(site: Site) -> Iterator[Finding]:
    """Look for the rights to release to the Deployment."""
    if site.server is not None and site.deployment is not None:
        other = "set deploy.deployment.namespace to the namespace of the Deployment"
        yield _rights(site, "rights of deploy", site.server, needed(site.deployment), other)


def _rights(site: Site, what: str, cluster: Cluster, rights: Sequence[Right], otherwise: str) -> Finding:
    item = f"{what} in the namespace {cluster.namespace}"
    try:
        lacks = lacking(cluster, rights, site.account)
    except RefusedError as error:
        if not must_not(error):
            raise
        return not_checked(item, "this account must not ask for the rights of others (SubjectAccessReview)")
    if not lacks:
        return ok(item)
    nothing = len(lacks) == sum(len(right.verbs) for right in rights)
    asked = who(site)
    account = asked.removeprefix("the account ").replace("/", ":") if "/" in asked else "NAMESPACE:NAME"
    fix = f"{bind(cluster, account)} (the Role is in manifests/base/rbac.yaml), or {otherwise}"
    # who has none of them there most likely looks in the wrong place, which is the settings' fault
    return missing(item, f"{asked} may not {', '.join(lacks)}", fix, user=nothing)


def bind(cluster: Cluster, account: str) -> str:
    """Name the command that gives an account (`namespace:name`) the rights of the steps, and takes nobody else's."""
    options = f"--role={ROLE} --serviceaccount={account}"
    return f"kubectl -n {cluster.namespace} create rolebinding platen-steps {options}"
