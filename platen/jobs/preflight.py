"""What can be known to be wrong before GPUs are taken; each refusal says what to do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePosixPath

from platen.core.errors import ClusterError, InputError, SettingsError
from platen.core.log_lines import parse_line
from platen.core.manifest import canonical, sha256
from platen.core.telemetry import log
from platen.jobs.cluster import Cluster, Object, RefusedError, own_namespace
from platen.jobs.exit_codes import USERS
from platen.jobs.pods import HOPELESS, condition, end_of, has_started, parse_timestamp, pods_of, timestamp
from platen.jobs.probe import gibibytes
from platen.jobs.pytorchjob import (
    API,
    ATTEMPT,
    CONTAINER,
    FOLLOWED,
    chosen_image,
    job_body,
    jobs_path,
    pod_template,
    pods_path,
    resources,
)
from platen.jobs.rights import Right, lacking, may
from platen.jobs.settings import JobSettings
from platen.jobs.waiting import pending_reason
from platen.jobs.workload import Task, Workload

NEEDED = (  # what the launcher does
    Right("kubeflow.org", "pytorchjobs", ("get", "list", "create", "patch", "delete")),
    Right("", "pods", ("get", "list")),
    Right("", "pods/log", ("get",)),
    Right("", "events", ("list",)),
)
PROBE_SECONDS = 60.0  # for the probe to start; a node may have to be made first, or an image to be pulled
PROBE_STAYS = 3600  # seconds for which a probe that went well counts
NOT_PULLED = "ImagePullBackOff"


def preflight(cluster: Cluster, settings: JobSettings, workspace: str, workload: Workload) -> None:
    """Look at the cluster before a job is made; after check_access.

    Args:
        cluster: Where it will be made.
        settings: `train.job`.
        workspace: Where the pods will write.
        workload: What they are to do.

    Raises:
        ClusterError: Quota, image or storage do not suffice.
        SettingsError: The pods cannot reach the workspace.
        InputError: The work would fail; there is a path that the pods do not have.
    """
    workload.check()
    check_workspace(settings, workspace)
    check_volumes(cluster.namespace, own_namespace(), workspace)
    check_quota(cluster, settings)
    look_for_a_node(cluster, settings)
    probe(cluster, settings, workload.probe_command())


def check_access(cluster: Cluster) -> None:
    """Raise ClusterError where the operator is missing, or a right that following a job needs too."""
    check_operator(cluster)
    check_rights(cluster)


def check_operator(cluster: Cluster) -> None:
    """Raise ClusterError where the cluster does not know PyTorchJobs."""
    kinds = (cluster.get(API) or {}).get("resources", [])
    if not any(kind["name"] == "pytorchjobs" for kind in kinds):
        raise ClusterError(
            "preflight: this cluster has no PyTorchJob (kubeflow.org/v1); install Kubeflow's training operator "
            "(docs/training-on-kubernetes.md), or train without train.job"
        )


def check_rights(cluster: Cluster) -> None:
    """Raise ClusterError that lists what this account may not do."""
    missing = lacking(cluster, NEEDED)
    if missing:
        raise ClusterError(
            f"preflight: this account may not {', '.join(missing)} in the namespace {cluster.namespace}; "
            "bind it to the role in manifests/base/rbac.yaml, or set PLATEN_NAMESPACE to a namespace where it may"
        )


def check_workspace(settings: JobSettings, workspace: str) -> None:
    """Raise SettingsError where the workspace is a path that lies on no volume of the pods."""
    mounts = list(settings.volumes.values())
    if "://" in workspace or any(PurePosixPath(workspace).is_relative_to(mount) for mount in mounts):
        return
    raise SettingsError(
        "train.job.volumes",
        f"the workspace {workspace} lies on none of the pods' volumes ({', '.join(mounts) or 'they have none'})",
        "a bucket as workspace, or {CLAIM: a folder above it}",
    )


def check_volumes(namespace: str, own: str | None, workspace: str) -> None:
    """Raise SettingsError where the workspace is a path and the pods are in another namespace than this step's (`own`).

    A claim belongs to its namespace: one of the same name there is another volume.
    """
    if "://" not in workspace and own not in (None, namespace):
        problem = f"{workspace} is on a volume of the namespace {own}; the pods of training are made in {namespace}"
        raise SettingsError("workspace", problem, "a bucket, or PLATEN_NAMESPACE left out, so that both are in one")


def check_quota(cluster: Cluster, settings: JobSettings) -> None:
    """Raise ClusterError where a quota of the namespace has no room for all pods."""
    if not may(cluster, "list", "", "resourcequotas"):
        return
    for name, quota in quotas(cluster):
        short = shortage(quota_use(settings), quota.get("status", {}))
        if short:
            raise ClusterError(
                f"preflight: the quota {name} of the namespace {cluster.namespace} has no room: "
                f"{'; '.join(short)}. Ask for less in train.job, wait for what uses it, or have the quota raised"
            )


def quotas(cluster: Cluster) -> list[tuple[str, Object]]:
    """List the namespace's quotas with their names, but for those that may not be meant for the job's pods."""
    found = cluster.items(f"/api/v1/namespaces/{cluster.namespace}/resourcequotas")
    scoped = ("scopes", "scopeSelector")
    return [(quota["metadata"]["name"], quota) for quota in found if not any(map(quota["spec"].get, scoped))]


def quota_use(settings: JobSettings) -> dict[str, Decimal]:
    """What all pods count as, by the names that quotas have for it."""
    asked = resources(settings)
    each = {"pods": "1", "count/pods": "1"}
    each |= {f"requests.{name}": amount for name, amount in asked["requests"].items()}
    each |= {f"limits.{name}": amount for name, amount in asked["limits"].items()}
    each |= {name: asked["requests"][name] for name in ("cpu", "memory")}
    return {name: quantity(amount) * settings.nodes for name, amount in each.items()}


def shortage(wanted: Mapping[str, Decimal], status: Object) -> list[str]:
    """What a quota does not have, in words."""
    hard, used = status.get("hard", {}), status.get("used", {})
    return [
        f"{name}: {plain(need)} needed, {used.get(name, '0')} of {hard[name]} used"
        for name, need in wanted.items()
        if name in hard and need > quantity(hard[name]) - quantity(used.get(name, "0"))
    ]


def plain(amount: Decimal) -> str:
    """A quantity for people."""
    return gibibytes(int(amount)) if amount >= 2**24 else f"{amount.normalize():f}"


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes as a number."""
    from kubernetes.utils.quantity import parse_quantity

    number: Decimal = parse_quantity(text)
    return number


def look_for_a_node(cluster: Cluster, settings: JobSettings) -> None:
    """Warn where no node could ever hold a pod. No refusal: an autoscaler may make one."""
    if not may(cluster, "list", "", "nodes", everywhere=True):
        return
    needed, labels = node_needs(settings)
    if not any(could_hold(node, needed, labels) for node in cluster.items("/api/v1/nodes")):
        asked = ", ".join(f"{name} {plain(amount)}" for name, amount in needed.items())
        log.warning("preflight: no node of this cluster could hold a pod (%s, labels %s)", asked, labels or "any")


def node_needs(settings: JobSettings) -> tuple[dict[str, Decimal], dict[str, str]]:
    """Return what a pod needs of its node: resources, and labels."""
    needed = {name: quantity(amount) for name, amount in resources(settings)["requests"].items()}
    chosen = {settings.gpu_type_label: settings.gpu_type} if settings.gpu_type else {}
    return needed, {**settings.node_selector, **chosen}


def could_hold(node: Object, needed: Mapping[str, Decimal], labels: Mapping[str, str]) -> bool:
    """Whether a node has the labels and, were it empty, the resources."""
    has = node["status"].get("allocatable", {})
    own = node["metadata"].get("labels", {})
    enough = all(quantity(has.get(name, "0")) >= amount for name, amount in needed.items())
    return enough and all(own.get(name) == value for name, value in labels.items())


class NotPulledError(ClusterError):
    """The image of the training pods cannot be pulled; `words` are the kubelet's."""

    def __init__(self, message: str, words: str) -> None:
        super().__init__(message)
        self.words = words


def probe(cluster: Cluster, settings: JobSettings, command: Sequence[str]) -> bool:
    """Run the probe in a pod like the real ones, without their GPUs; once an hour where it went well.

    The job itself is the note that it did: it stays for that long. One that another run has just made of the same pod
    is waited for. False where the probe did not get to run in time.
    """
    body = probe_body(settings, command)
    path = f"{jobs_path(cluster)}/{body['metadata']['name']}"
    there = cluster.get(path)
    if there is not None and condition(there, "Succeeded"):
        return True
    if there is not None and is_under_way(there):
        log.info("preflight: waiting for the same probe of another run")
        well = wait_for_probe(cluster, settings, there, PROBE_SECONDS - age(there))
        if well is not None:
            return well
    elif there is not None and not take_away(cluster, path, there):
        log.warning("preflight: an earlier probe is still being deleted; going on without one (%s)", path)
        return False
    log.info("preflight: probing image and storage from a pod")
    job, well = cluster.apply(path, body), None
    try:
        well = wait_for_probe(cluster, settings, job, PROBE_SECONDS)
    finally:
        if not well:
            cluster.delete(path, uid=job["metadata"]["uid"])
    return bool(well)


def is_under_way(job: Object) -> bool:
    """Return whether the run that made a probe still waits for it."""
    gone = "deletionTimestamp" in job["metadata"] or condition(job, "Failed") is not None
    return not gone and age(job) < PROBE_SECONDS


def age(job: Object) -> float:
    """For how many seconds a job has been there."""
    return max(0.0, time.time() - parse_timestamp(job["metadata"]["creationTimestamp"]))


def take_away(cluster: Cluster, path: str, job: Object) -> bool:
    """Delete a probe; False where it is not gone in time."""
    uid, until = job["metadata"]["uid"], time.monotonic() + PROBE_SECONDS
    cluster.delete(path, uid=uid)
    while (there := cluster.get(path)) is not None and there["metadata"]["uid"] == uid:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def probe_body(settings: JobSettings, command: Sequence[str]) -> Object:
    """The probe's job: its name stands for its pod and what is probed there."""
    small: Object = {"nodes": 1, "processes_per_node": 1, "gpu": None, "devices": {}, "scratch": None}
    small |= {"cpu": "100m", "memory": "512Mi", "shm": "16Mi"}
    small |= {"grace_seconds": 5, "ttl_seconds_after_finished": PROBE_STAYS}
    if settings.gpu:  # nodes with GPUs are often kept free for pods that ask for one
        small["tolerations"] = (*settings.tolerations, {"key": settings.gpu, "operator": "Exists"})
    chosen = settings.model_copy(update=small)
    run = sha256(canonical(pod_template(chosen, Task("", "", "probe", command), {}, "1")))[:16]
    task = Task(f"probe-{run}", run, "probe", command)
    annotations = {ATTEMPT: "1", FOLLOWED: timestamp(time.time())}
    return job_body(chosen, task, seconds=int(PROBE_SECONDS * 2), annotations=annotations)


def wait_for_probe(cluster: Cluster, settings: JobSettings, job: Object, seconds: float) -> bool | None:
    """Whether the probe went well; False where it did not get to run, for no reason that lies in the job.

    None where somebody took it away: how its pods end then says nothing.

    Raises:
        ClusterError: It failed, or never can run.
        NotPulledError: Its image cannot be pulled.
        InputError: It failed of what the user gave.
    """
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    path, until = f"{jobs_path(cluster)}/{name}", time.monotonic() + seconds
    pulling = ""  # what the kubelet said of the pull itself: its later words may be of the back-off alone
    while True:
        found = cluster.get(path)
        if found is None or found["metadata"]["uid"] != uid or "deletionTimestamp" in found["metadata"]:
            return None
        job, pods = found, pods_of(cluster, name, uid)
        if condition(job, "Succeeded"):
            return True
        staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        ended = next((end for pod in staying if (end := end_of(pod))), None)
        if ended or condition(job, "Failed"):
            kind = InputError if ended and ended.code == USERS else ClusterError
            raise kind(f"preflight: a pod with {chosen_image(settings)} failed: {words_of(cluster, pods)}")
        why = "" if any(map(has_started, pods)) else pending_reason(cluster, job, pods, 1)
        pulling = why if "ErrImagePull" in why else pulling
        refuse_hopeless(settings, why, pulling, made=bool(pods))
        if time.monotonic() > until:
            log.warning("preflight: the probe has not ended within %.0f s; going on without it. %s", PROBE_SECONDS, why)
            return False
        time.sleep(0.5)


def refuse_hopeless(settings: JobSettings, why: str, pulling: str, *, made: bool) -> None:
    """Raise where the probe's pod waits for what does not come; `pulling` is what was said of its image before."""
    start = f"preflight: a pod with {chosen_image(settings)} cannot start: "
    if any(word in why for word in HOPELESS) or ("forbidden" in why and not made):
        raise ClusterError(start + why)
    if NOT_PULLED in why:
        words = "; ".join(dict.fromkeys(filter(None, [why, pulling])))
        raise NotPulledError(start + words, words)


def words_of(cluster: Cluster, pods: list[Object]) -> str:
    """The last words of the first pod."""
    if not pods:
        return "its pod is gone"
    try:
        path = f"{pods_path(cluster)}/{pods[0]['metadata']['name']}/log"
        lines = cluster.stream(path, container=CONTAINER, tailLines="5").data.decode(errors="replace").splitlines()
    except RefusedError:
        lines = []
    return "\n".join(parse_line(line).text for line in lines) or str(end_of(pods[0]) or "it did not say why")
