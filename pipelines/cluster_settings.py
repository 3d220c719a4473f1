"""What the stages' pods ask for on a cluster: `platen compile --cluster FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from platen.components.registry import declarations
from platen.core.declaration import Pod
from platen.core.settings import Settings, matching
from platen.jobs.settings import KeyOfSecret, MountPath, Resource

Cpu = Annotated[
    str,
    matching(r"\d+(\.\d+)?m?", "is no number of CPU cores that a pipeline can ask for: as 500m, 2 or 1.5"),
]
Memory = Annotated[
    str,
    matching(r"\d+([KMGTPE]i?)?", "is no memory size that a pipeline can ask for: a whole number, as 512Mi or 16Gi"),
]


class Toleration(Settings):
    """One toleration, spelt as in Kubernetes."""

    key: str | None = Field(None, description="key of the taint; null for every taint")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="Equal: `value` must be the taint's; or Exists")
    value: str | None = Field(None, description="value of the taint; null with operator Exists")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="NoSchedule, PreferNoSchedule or NoExecute; null for all"
    )
    seconds: int | None = Field(
        None, alias="tolerationSeconds", ge=0, description="seconds until eviction, with NoExecute; null for never"
    )


class Placement(Settings):
    """Where pods run and what they are given."""

    node_selector: dict[str, str] = Field({}, description="labels that nodes must have")
    tolerations: tuple[Toleration, ...] = Field((), description="taints that pods put up with, as in Kubernetes")
    env: dict[str, str] = Field({}, description="environment, e.g. {HTTPS_PROXY: ...}; nothing secret")
    secret_env: dict[str, KeyOfSecret] = Field({}, description="environment from Secrets: {VARIABLE: SECRET/KEY}")
    secret_files: dict[str, MountPath] = Field({}, description="Secrets as folders of files: {SECRET: /path}")
    volumes: dict[str, MountPath] = Field({}, description="PersistentVolumeClaims: {CLAIM: /path}")


class LightPod(Placement):
    """The pod of a stage that needs no torch."""

    cpu: Cpu = Field("250m", description="CPU cores that the pod asks for, e.g. 2 or 500m")
    cpu_limit: Cpu | None = Field(None, description="CPU cores that it may use at most; null for no limit")
    memory: Memory = Field("2Gi", description="memory of the pod: asked for, and its limit; includes `shm`")
    shm: Memory | None = Field(None, description="size of /dev/shm, counted as memory; null for the node's 64 MB")
    timeout_seconds: int | None = Field(86_400, ge=1, description="seconds until the pod is ended; null for never")


class TorchPod(LightPod):
    """The pod of a stage that works with models."""

    cpu: Cpu = Field("500m", description="CPU cores that the pod asks for, e.g. 2 or 500m")
    memory: Memory = Field("4Gi", description="memory of the pod: asked for, and its limit; includes `shm`")
    shm: Memory | None = Field("1Gi", description="size of /dev/shm, counted as memory; null for the node's 64 MB")


class TrainPod(TorchPod):
    """The pod of train: with `train.job` in the run's settings it launches the job and follows it, and needs no GPU."""

    timeout_seconds: int | None = Field(
        None, ge=1, description="seconds until the pod is ended; null for never: train.job has deadlines of its own"
    )


class GpuPod(TorchPod):
    """The pod of a stage that is worth a GPU."""

    gpu: Resource | None = Field(
        None, description="resource name of the GPU, e.g. nvidia.com/gpu; null to work on the CPU"
    )
    gpus: int = Field(1, ge=1, description="how many of them, where `gpu` is set")
    gpu_type: str | None = Field(None, description="value that nodes must have at gpu_type_label; null for any GPU")
    gpu_type_label: str = Field("nvidia.com/gpu.product", description="node label that tells the type of GPU")

    @model_validator(mode="after")
    def _names_its_gpu(self) -> Self:
        if self.gpu is None and self.model_fields_set & {"gpus", "gpu_type"}:
            raise ValueError("gpus and gpu_type mean nothing without gpu, as nvidia.com/gpu")
        return self


PODS: Mapping[Pod, type[LightPod]] = {"light": LightPod, "torch": TorchPod, "gpu": GpuPod, "train": TrainPod}


class _Cluster(Placement):
    """What one file says of a cluster: the fields on top are for the pods of every stage, each stage adds to them."""

    image_pull_secrets: tuple[str, ...] = Field((), description="names of Secrets to pull the images with")
    preflight: LightPod = Field(LightPod(), description="the pod of preflight, which looks before the run")

    @model_validator(mode="after")
    def _mounts_are_apart(self) -> Self:
        for stage in STAGES:
            pod = self.pod(stage)
            paths = [*self.volumes.values(), *pod.volumes.values(), *self.secret_files.values()]
            paths += pod.secret_files.values()
            twice = {path for path in paths if paths.count(path) > 1}
            if twice:
                raise ValueError(f"{stage}: two things are mounted at {min(twice)}")
        return self

    def pod(self, stage: str) -> LightPod:
        """What one stage's pod asks for, without what all have."""
        pod: LightPod = getattr(self, stage)
        return pod


def _pods() -> dict[str, Any]:
    kinds = {name: PODS[declared.pod] for name, declared in declarations().items() if declared.pod is not None}
    return {name: (pod, Field(pod(), description=f"the pod of {name}")) for name, pod in kinds.items()}


if TYPE_CHECKING:
    ClusterSettings = _Cluster
else:
    ClusterSettings = create_model(
        "ClusterSettings", __base__=_Cluster, __doc__=_Cluster.__doc__, __module__=__name__, **_pods()
    )


STAGES = tuple(name for name, field in ClusterSettings.model_fields.items() if isinstance(field.default, LightPod))
