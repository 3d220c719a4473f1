"""Settings of training as a PyTorchJob: what its pods ask for, and how long they may take."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from platen.core.settings import Settings, matching

Quantity = Annotated[
    str,
    matching(
        r"(\d+(\.\d+)?|\.\d+)(m|[kMGTPE]|[KMGTPE]i)?",
        "is no quantity of Kubernetes: a number with a unit, as 500m, 4, 512Mi or 16Gi",
    ),
]
Resource = Annotated[
    str,
    matching(
        r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        "is no resource name of Kubernetes, as nvidia.com/gpu or rdma/hca",
    ),
]
KeyOfSecret = Annotated[
    str, matching(r"[a-z0-9][a-z0-9.-]*/[A-Za-z0-9._-]+", "does not name a key of a Secret: SECRET/KEY")
]
MountPath = Annotated[str, matching(r"(?s)/.*", "is not an absolute path")]
Raw = dict[str, Any]  # as in the documentation of Kubernetes; the API server checks it


class JobSettings(Settings):
    """One pod a node, in which torchrun starts the node's processes. Nothing here changes the model."""

    nodes: int = Field(2, ge=1, description="pods; nodes x processes_per_node must be train.ranks")
    processes_per_node: int = Field(1, ge=1, description="ranks a pod; each has a GPU of its own where `gpu` is set")
    gpu: Resource | None = Field(
        None, description="resource name of the GPUs, e.g. nvidia.com/gpu, one a rank; null to train on CPUs"
    )
    gpu_type: str | None = Field(None, description="value that nodes must have at gpu_type_label; null for any GPU")
    gpu_type_label: str = Field("nvidia.com/gpu.product", description="node label that tells the type of GPU")
    cpu: Quantity = Field("1", description="CPU cores that a pod asks for, e.g. 8 or 500m")
    cpu_limit: Quantity | None = Field(None, description="CPU cores that a pod may use at most; null for no limit")
    memory: Quantity = Field("4Gi", description="memory of a pod: asked for, and its limit; includes `shm`")
    shm: Quantity = Field("1Gi", description="size of /dev/shm, counted as memory")
    scratch: Quantity | None = Field(
        None, description="local disk that a pod asks for, for inputs and checkpoints on their way; null: not counted"
    )
    devices: dict[Resource, int] = Field({}, description='more devices of a pod by resource name, e.g. {"rdma/hca": 1}')
    node_selector: dict[str, str] = Field({}, description="labels that nodes must have")
    tolerations: tuple[Raw, ...] = Field((), description="tolerations of the pods, as in Kubernetes")
    affinity: Raw = Field({}, description="affinity of the pods, as in Kubernetes")
    image: str | None = Field(None, description="image to train in; null: the one that launches, else platen/train")
    image_pull_secrets: tuple[str, ...] = Field((), description="names of Secrets to pull the image with")
    env: dict[str, str] = Field({}, description="environment of the pods, e.g. {NCCL_DEBUG: INFO}; nothing secret")
    secret_env: dict[str, KeyOfSecret] = Field({}, description="environment from Secrets: {VARIABLE: SECRET/KEY}")
    volumes: dict[str, MountPath] = Field(
        {}, description="where to mount PersistentVolumeClaims: {CLAIM: /path}; a workspace on a volume needs its own"
    )
    service_account: str = Field("platen-train", description="service account of the pods: it needs the storage only")
    priority_class: str | None = Field(None, description="PriorityClass of the pods; null for the cluster's default")
    scheduler_name: str | None = Field(
        None, description="gang scheduler, e.g. volcano or scheduler-plugins-scheduler; null for the cluster's default"
    )
    kueue_queue: str | None = Field(None, description="LocalQueue of Kueue that admits the job; null without Kueue")
    restarts: int = Field(3, ge=0, description="times that all pods are started again after one was lost, 0 or more")
    schedule_seconds: int = Field(1800, ge=1, description="seconds until all pods must run, a queue's wait included")
    max_seconds: int = Field(
        604_800, ge=1, description="seconds that training may take from its first start; then stopped at a checkpoint"
    )
    grace_seconds: int = Field(45, ge=1, description="seconds that pods have for a checkpoint when they are stopped")
    ttl_seconds_after_finished: int = Field(
        86_400, ge=60, description="seconds that an ended job stays to be looked at"
    )
