"""The PyTorchJob of a training run: its name, and its body from the settings.

Master and Worker pods are alike; each runs one process that starts torchrun for its node. The operator never restarts a
single pod (restartPolicy Never): it would join peers that have given up. The launcher restarts them all. There is no
backoffLimit: when one is reached, the operator deletes the failed pods too, and with them exit codes and logs (seen
with v1.9.3; cleanPodPolicy is not asked there).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from platen.core.images import image
from platen.jobs.cluster import LABELS, Cluster, Object
from platen.jobs.settings import JobSettings
from platen.jobs.workload import Task

API = "/apis/kubeflow.org/v1"
METRICS = "metrics"  # the port that the PodMonitor and the network policy of the manifests name
CONTAINER = "pytorch"  # the operator's webhook wants this name
USER = 10001  # as in the images
SCRATCH = "/scratch"
RUN, TASK = "platen.dev/run", "platen.dev/task"  # labels
ATTEMPT, SHARED = "platen.dev/attempt", "platen.dev/shared"  # annotations
FOLLOWED, STARTED, REPORTED = "platen.dev/followed-at", "platen.dev/started-at", "platen.dev/told-at"
MARGIN = 60  # seconds by which the job's own deadline lies behind the launcher's


def jobs_path(cluster: Cluster) -> str:
    """Where the jobs of the namespace are."""
    return f"{API}/namespaces/{cluster.namespace}/pytorchjobs"


def pods_path(cluster: Cluster) -> str:
    """Where the pods of the namespace are."""
    return f"/api/v1/namespaces/{cluster.namespace}/pods"


def job_body(
    settings: JobSettings,
    task: Task,
    *,
    seconds: int,
    annotations: Mapping[str, str],
    owners: Sequence[Object] = (),
) -> Object:
    """The job as it is applied.

    Args:
        settings: `train.job`.
        task: What the job is for.
        seconds: How long its pods may run. The operator's own deadline: where nobody follows the job any more.
        annotations: The job's. The one that counts the attempts is told to the pods too.
        owners: What the job is deleted with.
    """
    labels = {**LABELS, RUN: task.run, TASK: task.task}
    template = pod_template(settings, task, labels, annotations[ATTEMPT])
    replica = {"restartPolicy": "Never", "template": template}
    workers = {"Worker": {"replicas": settings.nodes - 1, **replica}} if settings.nodes > 1 else {}
    queue = {"kueue.x-k8s.io/queue-name": settings.kueue_queue} if settings.kueue_queue else {}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {
            "name": task.name,
            "labels": {**labels, **queue},
            "annotations": dict(annotations),
            **({"ownerReferences": list(owners)} if owners else {}),
        },
        "spec": {
            "nprocPerNode": str(settings.processes_per_node),
            "runPolicy": run_policy(settings, seconds),
            "pytorchReplicaSpecs": {"Master": {"replicas": 1, **replica}, **workers},
        },
    }


def node_count(job: Object) -> int:
    """How many pods a job has."""
    return sum(replica.get("replicas", 1) for replica in job["spec"]["pytorchReplicaSpecs"].values())


def run_policy(settings: JobSettings, seconds: int) -> Object:
    """When the job ends, what is cleaned up, and whether its pods start as one."""
    return {
        "cleanPodPolicy": "Running",
        # it counts from when the job is made: only where nobody follows it does this end it
        "activeDeadlineSeconds": settings.schedule_seconds + seconds + settings.grace_seconds + MARGIN,
        "ttlSecondsAfterFinished": settings.ttl_seconds_after_finished,
        **({"suspend": True} if settings.kueue_queue else {}),  # Kueue lifts it
        **({"schedulingPolicy": {"minAvailable": settings.nodes}} if settings.scheduler_name else {}),
    }


def pod_template(settings: JobSettings, task: Task, labels: Mapping[str, str], attempt: str) -> Object:
    """What each pod is made from. No sidecar: it would never end, and the job with it."""
    return {
        "metadata": {
            "labels": {**labels, "sidecar.istio.io/inject": "false"},
            "annotations": {
                "sidecar.istio.io/inject": "false",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",  # one pod evicted, all lost
            },
        },
        "spec": {
            "serviceAccountName": settings.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": settings.grace_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container(settings, task, attempt)],
            "volumes": volumes(settings),
            **placement(settings),
        },
    }


def container(settings: JobSettings, task: Task, attempt: str) -> Object:
    """The one container of a pod."""
    claims = {f"claim-{number}": path for number, path in enumerate(settings.volumes.values())}
    mounts = {"tmp": "/tmp", "scratch": SCRATCH, "shm": "/dev/shm", **claims}  # noqa: S108 - in the pod
    return {
        "name": CONTAINER,
        "image": chosen_image(settings),
        "imagePullPolicy": "IfNotPresent",
        "command": list(task.command),
        **({"ports": [{"name": METRICS, "containerPort": task.port}]} if task.port else {}),
        "env": environment(settings, attempt),
        "resources": resources(settings),
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def chosen_image(settings: JobSettings) -> str:
    """The image of the pods: what was set, else the launcher's own, else the released one."""
    return settings.image or os.environ.get("PLATEN_IMAGE") or image("train")


def environment(settings: JobSettings, attempt: str) -> list[Object]:
    """Environment variables; what the settings say wins."""
    values = {
        "PLATEN_ATTEMPT": attempt,
        "PLATEN_IMAGE": chosen_image(settings),
        "PLATEN_LOG": "json",
        "PLATEN_SCRATCH": SCRATCH,
        "HOME": "/tmp",  # noqa: S108 - in the pod
        **({"DS_ACCELERATOR": "cpu"} if settings.gpu is None else {}),
        **{name: os.environ[name] for name in ("STORAGE_EMULATOR_HOST",) if name in os.environ},
        **settings.env,
    }
    secrets = {name: key.split("/", 1) for name, key in settings.secret_env.items()}
    return [
        {"name": "PLATEN_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        *({"name": name, "value": value} for name, value in values.items() if name not in secrets),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
            for name, (secret, key) in secrets.items()
        ),
    ]


def resources(settings: JobSettings) -> Object:
    """What a pod asks for, and its limits. Devices are never shared, so that both are the same there."""
    devices: dict[str, Any] = {name: str(count) for name, count in settings.devices.items()}
    if settings.gpu:
        devices[settings.gpu] = str(settings.processes_per_node)
    disk = {"ephemeral-storage": settings.scratch} if settings.scratch else {}
    cpu = {"cpu": settings.cpu_limit} if settings.cpu_limit else {}
    return {
        "requests": {"cpu": settings.cpu, "memory": settings.memory, **disk, **devices},
        "limits": {**cpu, "memory": settings.memory, **devices},
    }


def volumes(settings: JobSettings) -> list[Object]:
    """Local folders that a pod may write to, shared memory, and the claims of the settings."""
    return [
        {"name": "tmp", "emptyDir": {}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": settings.shm}},
        *(
            {"name": f"claim-{number}", "persistentVolumeClaim": {"claimName": claim}}
            for number, claim in enumerate(settings.volumes)
        ),
    ]


def placement(settings: JobSettings) -> Object:
    """Where the pods may run, and in which order they get there."""
    labels = dict(settings.node_selector)
    if settings.gpu_type:
        labels[settings.gpu_type_label] = settings.gpu_type
    given: Object = {
        "nodeSelector": labels,
        "tolerations": list(settings.tolerations),
        "affinity": settings.affinity,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "priorityClassName": settings.priority_class,
        "schedulerName": settings.scheduler_name,
    }
    return {name: value for name, value in given.items() if value}
