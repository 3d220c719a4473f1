"""Tasks of a graph: without KFP's cache, and for a cluster with the image, environment and pod that each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kfp import dsl

from platen.core.component import RUN_ID
from platen.core.images import LOCAL, RUN_IMAGES, Images
from platen.pipelines.cluster_settings import STAGES, ClusterSettings, GpuPod, LightPod, Placement

BEFORE = ("sample", "preflight")  # what has been started when preflight looks whether the others can be
AddTask = Callable[..., dsl.PipelineTask]
RUN_LABEL = "metadata.labels['pipeline/runid']"  # KFP labels every pod of a run with the run's id


@dataclass(frozen=True)
class Target:
    """The cluster that a graph is compiled for."""

    images: Images = field(default_factory=Images)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)


def adding(target: Target | None) -> AddTask:
    """What adds tasks to a graph; without a target they are as a runner on this machine wants them."""

    def add(component: dsl.base_component.BaseComponent, **arguments: object) -> dsl.PipelineTask:
        # KFP's own cache would hand out folders that were deleted; stages find their own
        task = component(**arguments).set_caching_options(False)
        if target is not None:
            _fit(task, target)
        return task

    return add


def _fit(task: dsl.PipelineTask, target: Target) -> None:
    stage = task.container_spec.image.removeprefix(f"{LOCAL}/").partition(":")[0].replace("-", "_")
    image, pod = target.images.name(stage), target.cluster.pod(stage)
    task.set_container_image(image)
    told = {"PLATEN_LOG": "json", "PLATEN_IMAGE": image}
    if stage == "preflight":
        told[RUN_IMAGES] = " ".join(f"{name}={target.images.name(name)}" for name in STAGES if name not in BEFORE)
    _set_environment(task, {**told, **target.cluster.env, **pod.env})
    _set_resources(task, pod)
    _set_up_pod(task, target.cluster, pod)
    for placement in (target.cluster, pod):
        _place(task, placement)


def _set_environment(task: dsl.PipelineTask, variables: Mapping[str, str]) -> None:
    from kfp import kubernetes

    for name, value in variables.items():
        task.set_env_variable(name, value)
    kubernetes.use_field_path_as_env(task, RUN_ID, RUN_LABEL)


def _set_resources(task: dsl.PipelineTask, pod: LightPod) -> None:
    task.set_cpu_request(pod.cpu)
    task.set_memory_request(pod.memory)
    task.set_memory_limit(pod.memory)
    if pod.cpu_limit is not None:
        task.set_cpu_limit(pod.cpu_limit)
    if isinstance(pod, GpuPod) and pod.gpu is not None:
        task.set_accelerator_type(pod.gpu)
        task.set_accelerator_limit(pod.gpus)


def _set_up_pod(task: dsl.PipelineTask, cluster: ClusterSettings, pod: LightPod) -> None:
    from kfp import kubernetes

    if cluster.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(cluster.image_pull_secrets))
    if pod.shm is not None:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=pod.shm)  # noqa: S108
    if pod.timeout_seconds is not None:
        kubernetes.set_timeout(task, pod.timeout_seconds)
    if isinstance(pod, GpuPod) and pod.gpu is not None and pod.gpu_type is not None:
        kubernetes.add_node_selector(task, pod.gpu_type_label, pod.gpu_type)


def _place(task: dsl.PipelineTask, placement: Placement) -> None:
    from kfp import kubernetes

    for label, value in placement.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for taint in placement.tolerations:
        kubernetes.add_toleration(task, taint.key, taint.operator, taint.value, taint.effect, taint.seconds)
    for variable, secret_key in placement.secret_env.items():
        secret, _, key = secret_key.partition("/")
        kubernetes.use_secret_as_env(task, secret, {key: variable})
    for secret, path in placement.secret_files.items():
        kubernetes.use_secret_as_volume(task, secret, path)
    for claim, path in placement.volumes.items():
        kubernetes.mount_pvc(task, claim, path)
