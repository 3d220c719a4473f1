"""What Platen's manifests make: found whole, and bound to the account that the steps run as."""

from __future__ import annotations

from collections.abc import Iterator

from platen.jobs.cluster import Cluster, Object
from platen.jobs.rights import Account, may
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok
from platen.pipelines.checks.placement import claim, pull_secret
from platen.pipelines.checks.rights import ROLE, bind
from platen.pipelines.checks.site import OVERLAY, Site, look, present

RBAC, CORE = "/apis/rbac.authorization.k8s.io/v1", "/api/v1"


def objects(site: Site) -> Iterator[Finding]:
    """Look for what lies beside the Deployment: accounts, the Role, network policies, its settings."""
    for cluster in {place.namespace: place for place in (site.jobs, site.server) if place is not None}.values():
        within = f"namespaces/{cluster.namespace}"
        wanted = {
            f"Role {cluster.namespace}/{ROLE}": f"{RBAC}/{within}/roles/{ROLE}",
            f"ServiceAccount {cluster.namespace}/platen-reap": f"{CORE}/{within}/serviceaccounts/platen-reap",
            f"NetworkPolicy {cluster.namespace}/platen-default": (
                f"/apis/networking.k8s.io/v1/{within}/networkpolicies/platen-default"
            ),
        }
        for item, path in wanted.items():
            yield present(cluster, item, path, OVERLAY, fatal=False)
        yield from _bindings(site, cluster)


def _bindings(site: Site, cluster: Cluster) -> Iterator[Finding]:
    """Look whether the account of the steps is bound to the Role, where nobody may be asked for its rights.

    Where somebody may, the rights are items of their own, and it does not matter which binding gives them.
    """
    account = site.account
    if account is None or may(cluster, "create", "authorization.k8s.io", "subjectaccessreviews", everywhere=True):
        return
    item = f"RoleBinding of {account} in the namespace {cluster.namespace}"
    inside = look(cluster, item, f"{RBAC}/namespaces/{cluster.namespace}/rolebindings")
    if isinstance(inside, Finding):
        yield inside
        return
    everywhere = look(cluster, item, f"{RBAC}/clusterrolebindings")
    unseen = isinstance(everywhere, Finding)
    lists = [found for found in (inside, everywhere) if found is not None and not isinstance(found, Finding)]
    both = [entry for found in lists for entry in found["items"]]
    roles = {entry["roleRef"]["name"]: entry["metadata"]["name"] for entry in both if is_for(account, entry)}
    others = sorted(name for name in roles if not name.startswith("system:"))
    if ROLE in roles:
        yield ok(item, roles[ROLE])
    elif others:
        yield not_checked(item, f"it is bound to {', '.join(others)}, and not to {ROLE}; the run's preflight looks")
    elif unseen:
        yield not_checked(item, "there is none; this account must not list ClusterRoleBindings")
    else:
        fix = f"{bind(cluster, str(account).replace('/', ':'))}, or {OVERLAY}"
        yield missing(item, "there is none, nor a ClusterRoleBinding", fix)


def is_for(account: Account, binding: Object) -> bool:
    """Whether a binding is for a service account: by its name, as the user that it is, or by a group that it is in."""
    user, groups = account.subject["user"], account.subject["groups"]
    for subject in binding.get("subjects") or []:
        kind, name = subject["kind"], subject["name"]
        itself = kind == "ServiceAccount" and f"{subject.get('namespace')}/{name}" == str(account)
        if itself or (kind == "User" and name == user) or (kind == "Group" and name in groups):
            return True
    return False


def server(site: Site) -> Iterator[Finding]:
    """Look for what the Deployment's pods refer to: account, ConfigMaps, Secrets, claims."""
    cluster, on = site.server, site.deployment
    if cluster is None or on is None:
        return
    path = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/{on.name}"
    found = look(cluster, f"Deployment {cluster.namespace}/{on.name}", path)
    if found is None or isinstance(found, Finding):
        return  # an item of its own
    pod = found["spec"]["template"]["spec"]
    yield _named(cluster, "ServiceAccount", "serviceaccounts", pod.get("serviceAccountName", "default"))
    for name in sorted(_references(pod, "configMapRef", "configMap", "configMapKeyRef")):
        yield _named(cluster, "ConfigMap", "configmaps", name)
    for name in sorted(_references(pod, "secretRef", "secret", "secretKeyRef")):
        yield _named(cluster, "Secret", "secrets", name)
    for name in sorted(entry["name"] for entry in pod.get("imagePullSecrets", [])):
        yield pull_secret(cluster, name)
    for volume in pod.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield claim(cluster, volume["persistentVolumeClaim"]["claimName"])


def _named(cluster: Cluster, what: str, kind: str, name: str) -> Finding:
    path = f"{CORE}/namespaces/{cluster.namespace}/{kind}/{name}"
    fix = f"{OVERLAY}" if what != "Secret" else f"kubectl -n {cluster.namespace} create secret generic {name} ..."
    return present(cluster, f"{what} {cluster.namespace}/{name} (of the server)", path, fix)


def _references(pod: Object, *kinds: str) -> set[str]:
    """The names that containers and volumes of a pod refer to by one of these fields, unless they may be absent."""
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    entries = [entry for container in containers for entry in container.get("envFrom", [])]
    entries += [entry["valueFrom"] for one in containers for entry in one.get("env", []) if "valueFrom" in entry]
    entries += pod.get("volumes", [])
    found = [entry[kind] for entry in entries for kind in kinds if kind in entry]
    return {thing.get("name") or thing.get("secretName") for thing in found if not thing.get("optional")} - {None}
