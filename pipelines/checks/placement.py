"""What pods refer to, and whether a node could hold them: namespaces, accounts, Secrets, claims, nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from platen.jobs.cluster import Cluster, Object
from platen.jobs.preflight import could_hold, node_needs, plain
from platen.pipelines.checks.compiled import asked
from platen.pipelines.checks.finding import Finding, missing, not_checked, ok
from platen.pipelines.checks.site import OVERLAY, Site, look, present

Needs = tuple[Mapping[str, Decimal], Mapping[str, str]]  # resources, labels


def namespaces(site: Site) -> Iterator[Finding]:
    """Look for the namespaces of the steps, of training jobs and of the server."""
    homes = defaultdict(list)
    for what, cluster in site.namespaces.items():
        homes[cluster.namespace].append(what)
    for name, parts in homes.items():
        item = f"namespace {name} (of the {' and the '.join(parts)})"
        if site.cluster is not None:
            yield present(site.cluster, item, f"/api/v1/namespaces/{name}", f"kubectl create namespace {name}")


def accounts(site: Site) -> Iterator[Finding]:
    """Look for the accounts that the steps and the training pods run as."""
    if site.account is not None and site.cluster is not None:
        make = f"kubectl -n {site.account.namespace} create serviceaccount {site.account.name}"
        fix = f"{make}, or name the one that is there: --service-account"
        yield _core(site.cluster, "serviceaccounts", site.account.name, "ServiceAccount", fix)
    if site.jobs is not None and site.job is not None:
        yield _core(site.jobs, "serviceaccounts", site.job.service_account, "ServiceAccount", OVERLAY)


def secrets(site: Site) -> Iterator[Finding]:
    """Look for the Secrets that pods take, with the keys that they read, and for those to pull images with."""
    for cluster, name, keys in _secrets(site):
        item = f"Secret {cluster.namespace}/{name}"
        found = look(cluster, item, f"/api/v1/namespaces/{cluster.namespace}/secrets/{name}")
        literals = "".join(f" --from-literal={key}=VALUE" for key in sorted(keys)) or " ..."
        fix = f"kubectl -n {cluster.namespace} create secret generic {name}{literals}"
        if isinstance(found, Finding):
            yield found
        elif found is None:
            yield missing(item, "there is none, and pods that take it do not start", fix)
        else:
            yield _with_keys(item, found, keys, cluster.namespace)
    for cluster, name in _pull_secrets(site):
        yield pull_secret(cluster, name)


def pull_secret(cluster: Cluster, name: str) -> Finding:
    """Look for a Secret to pull images with. A run is not refused: Kubernetes starts its pods without it."""
    item = f"Secret {cluster.namespace}/{name} (to pull images)"
    found = look(cluster, item, f"/api/v1/namespaces/{cluster.namespace}/secrets/{name}")
    if isinstance(found, Finding):
        return found
    if found is not None:
        return ok(item)
    fix = (
        f"kubectl -n {cluster.namespace} create secret docker-registry {name} --docker-server=REGISTRY "
        "--docker-username=USER --docker-password=PASSWORD, or take it out of image_pull_secrets"
    )
    return missing(
        item, "there is none: pods get only images that anybody may pull, or that are there", fix, fatal=False
    )


def _with_keys(item: str, found: Object, keys: frozenset[str], namespace: str) -> Finding:
    lacks = sorted(keys - set(found.get("data") or {}))
    if not lacks:
        return ok(item)
    values = ", ".join(f'"{key}": "VALUE"' for key in lacks)
    fix = f"""kubectl -n {namespace} patch secret {found["metadata"]["name"]} -p '{{"stringData": {{{values}}}}}'"""
    return missing(item, f"it has no key {', '.join(lacks)}", fix)


def _secrets(site: Site) -> Iterator[tuple[Cluster, str, frozenset[str]]]:
    found: dict[tuple[str, str], frozenset[str]] = {}
    if site.package is not None and site.cluster is not None:
        for pod in asked(site.package).values():
            for name, keys in pod.secrets.items():
                found["steps", name] = found.get(("steps", name), frozenset()) | keys
    if site.job is not None:
        for name, key in (taken.split("/", 1) for taken in site.job.secret_env.values()):
            found["training", name] = found.get(("training", name), frozenset()) | {key}
    yield from (
        (site.namespaces[where], name, keys) for (where, name), keys in found.items() if where in site.namespaces
    )


def _pull_secrets(site: Site) -> list[tuple[Cluster, str]]:
    named = set()
    if site.package is not None and site.cluster is not None:
        named |= {(site.cluster, name) for pod in asked(site.package).values() for name in pod.pull_secrets}
    if site.job is not None and site.jobs is not None:
        named |= {(site.jobs, name) for name in site.job.image_pull_secrets}
    return sorted(named, key=lambda pair: (pair[0].namespace, pair[1]))


def claims(site: Site) -> Iterator[Finding]:
    """Look for the PersistentVolumeClaims that pods mount, and whether each has a volume or can get one."""
    named = set()
    if site.package is not None and site.cluster is not None:
        named |= {(site.cluster, claim) for pod in asked(site.package).values() for claim in pod.claims}
    if site.job is not None and site.jobs is not None:
        named |= {(site.jobs, claim) for claim in site.job.volumes}
    for cluster, name in sorted(named, key=lambda pair: (pair[0].namespace, pair[1])):
        yield claim(cluster, name)


def claim(cluster: Cluster, name: str) -> Finding:
    """Look for one claim."""
    item = f"PersistentVolumeClaim {cluster.namespace}/{name}"
    found = look(cluster, item, f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims/{name}")
    if isinstance(found, Finding):
        return found
    if found is None:
        fix = f"make the claim {name} in {cluster.namespace} (manifests/components/volume/workspace.yaml is one)"
        return missing(item, "there is none, and pods that mount it do not start", fix)
    phase = found.get("status", {}).get("phase")
    if phase == "Lost":
        fix = f"kubectl -n {cluster.namespace} delete pvc {name}, and make it again; or bring its volume back"
        return missing(item, f"its volume {found['spec'].get('volumeName', '')} is gone", fix)
    return ok(item, "bound") if phase == "Bound" else _unbound(cluster, item, found)


def _unbound(cluster: Cluster, item: str, found: Object) -> Finding:
    """A claim that waits for its first pod is well, if there is a class that makes its volume."""
    wanted = found["spec"].get("storageClassName")
    classes = look(cluster, item, "/apis/storage.k8s.io/v1/storageclasses")
    if isinstance(classes, Finding) or classes is None:
        return not_checked(
            item, f"it is {found.get('status', {}).get('phase')}; this account must not list StorageClasses"
        )
    names = [entry["metadata"]["name"] for entry in classes["items"]]
    annotation = "storageclass.kubernetes.io/is-default-class"
    default = any((entry["metadata"].get("annotations") or {}).get(annotation) == "true" for entry in classes["items"])
    if wanted in names or (wanted is None and default):
        return ok(item, "its volume is made for its first pod")
    problem = (
        f"it waits for the StorageClass {wanted}" if wanted else "it names no StorageClass, and none is the default"
    )
    fix = f"name one of {', '.join(names) or 'the classes that you have to make'} in its spec.storageClassName"
    return missing(item, problem, fix)


def nodes(site: Site) -> Iterator[Finding]:
    """Look for a node that could hold each kind of pod. A run is not refused: an autoscaler may make the node."""
    if site.cluster is None:
        return
    wanted = _needs(site)
    seen = look(site.cluster, "nodes", "/api/v1/nodes") if wanted else None
    if isinstance(seen, Finding):
        yield seen
        return
    for what, (needs, labels) in wanted.items():
        item = f"a node for {what}"
        if any(could_hold(node, needs, labels) for node in (seen or {}).get("items", [])):
            yield ok(item)
            continue
        resources = ", ".join(f"{name} {plain(amount)}" for name, amount in needs.items())
        told = f" and {', '.join(f'{name}={value}' for name, value in labels.items())}" if labels else ""
        fix = (
            "add such nodes, or ask for what there is (kubectl get nodes --show-labels): in train.job for training, "
            "in the file of `platen compile --cluster` for steps; where an autoscaler makes such nodes, nothing"
        )
        yield missing(item, f"no node has {resources}{told}", fix, fatal=False)


def _needs(site: Site) -> dict[str, Needs]:
    grouped: dict[str, tuple[list[str], Needs]] = {}
    if site.package is not None:
        for stage, pod in asked(site.package).items():
            names, _ = grouped.setdefault(str((pod.resources, pod.labels)), ([], (pod.resources, pod.labels)))
            names.append(stage)
    found = {", ".join(names): needs for names, needs in grouped.values()}
    if site.job is not None and site.settings is not None and not site.settings.plan.use:
        found["training"] = node_needs(site.job)
    return found


def _core(cluster: Cluster, kind: str, name: str, what: str, fix: str) -> Finding:
    path = f"/api/v1/namespaces/{cluster.namespace}/{kind}/{name}"
    return present(cluster, f"{what} {cluster.namespace}/{name}", path, fix)
