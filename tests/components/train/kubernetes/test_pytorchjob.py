"""The PyTorchJob's body, setting by setting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from platen.components.train.kubernetes.preflight import probe_body
from platen.components.train.kubernetes.pytorchjob import ATTEMPT, job_body, training, write_spec
from platen.components.train.kubernetes.settings import JobSettings
from platen.core.images import image
from platen.core.manifest import Manifest
from platen.core.settings import Settings
from platen.core.stage import Outcome, Stage, run_stage
from tests.components.train.every_setting import EVERYTHING, TASK


def body(settings: Mapping[str, Any] = {}, owners: list[dict[str, Any]] = []) -> dict[str, Any]:  # noqa: B006
    chosen = JobSettings.model_validate(settings)
    return job_body(chosen, TASK, seconds=1000, annotations={ATTEMPT: "2"}, owners=owners)


def spec_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]
    return pod


def container_of(job: dict[str, Any]) -> dict[str, Any]:
    (container,) = spec_of(job)["containers"]
    return dict(container)


def env_of(job: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container_of(job)["env"]}


@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_pods_are_what_kubernetes_takes(settings: dict[str, Any]) -> None:
    job = body(settings)
    for replica in job["spec"]["pytorchReplicaSpecs"].values():
        pod = {"apiVersion": "v1", "kind": "Pod", **replica["template"]}
        pod["metadata"] = {"name": "a-pod", **pod["metadata"]}
        kubernetes_validate.validate(pod, "1.34", strict=True)


def test_no_pod_is_more_than_it_must_be() -> None:
    pod, container = spec_of(body()), container_of(body())
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("settings", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_no_pod_gets_a_sidecar_whatever_is_set(settings: dict[str, Any]) -> None:
    """In a namespace that Istio injects one would outlive the job. No setting names labels of the pods."""
    probe = probe_body(JobSettings.model_validate(settings), ["gs://b/ws", "1"])
    for job in (body(settings), probe):
        for replica in job["spec"]["pytorchReplicaSpecs"].values():
            assert replica["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert not [name for name in JobSettings.model_fields if "label" in name and name != "gpu_type_label"]


def test_every_setting_arrives() -> None:
    job = body(EVERYTHING)
    pod, container, policy = spec_of(job), container_of(job), job["spec"]["runPolicy"]
    devices = {"nvidia.com/gpu": "8", "rdma/hca": "4"}
    assert container["resources"] == {
        "requests": {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", **devices},
        "limits": {"cpu": "96", "memory": "512Gi", **devices},
    }
    assert pod["nodeSelector"] == {"pool": "training", "cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}
    assert (pod["tolerations"], pod["affinity"]) == (EVERYTHING["tolerations"], EVERYTHING["affinity"])
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert (pod["priorityClassName"], pod["schedulerName"]) == ("high", "volcano")
    assert (pod["serviceAccountName"], pod["terminationGracePeriodSeconds"]) == ("trainer", 120)
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Gi"}} in pod["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]
    assert {"name": "claim-0", "persistentVolumeClaim": {"claimName": "scratch"}} in pod["volumes"]
    assert {"name": "claim-0", "mountPath": "/mnt/workspace"} in container["volumeMounts"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "training"
    assert (policy["suspend"], policy["schedulingPolicy"]) == (True, {"minAvailable": 3})
    assert policy["ttlSecondsAfterFinished"] == 600
    assert job["spec"]["nprocPerNode"] == "8"
    replicas = job["spec"]["pytorchReplicaSpecs"]
    assert {name: replica["replicas"] for name, replica in replicas.items()} == {"Master": 1, "Worker": 2}


def test_the_environment_tells_the_attempt_and_what_was_set_wins() -> None:
    told = env_of(body(EVERYTHING))
    assert (told["PLATEN_ATTEMPT"], told["PLATEN_LOG"], told["NCCL_DEBUG"]) == ("2", "plain", "INFO")
    assert told["TOKEN"] == {"secretKeyRef": {"name": "tracker", "key": "token"}}
    assert "DS_ACCELERATOR" not in told, "a job with GPUs was told to train on the CPU"
    assert env_of(body())["DS_ACCELERATOR"] == "cpu"


def test_a_pod_says_where_it_serves_metrics_and_on_which_node_it_is() -> None:
    chosen = JobSettings()
    task = training("gs://b/ws/train/.a", "gs://b/ws/train/.a/job.json", 9464)
    served = job_body(chosen, task, seconds=1, annotations={ATTEMPT: "1"})
    assert container_of(served)["ports"] == [{"name": "metrics", "containerPort": 9464}]
    assert "ports" not in container_of(body())
    assert env_of(body())["PLATEN_NODE"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}


def test_the_operator_never_restarts_one_pod_nor_deletes_those_that_failed() -> None:
    job = body({"nodes": 2})
    policy = job["spec"]["runPolicy"]
    assert {replica["restartPolicy"] for replica in job["spec"]["pytorchReplicaSpecs"].values()} == {"Never"}
    assert policy["cleanPodPolicy"] == "Running"
    assert "backoffLimit" not in policy
    assert policy["activeDeadlineSeconds"] > 1000 + JobSettings().grace_seconds


def test_one_node_has_no_workers() -> None:
    assert set(body({"nodes": 1})["spec"]["pytorchReplicaSpecs"]) == {"Master"}


def test_every_setting_is_tried_here() -> None:
    limits = {"restarts", "schedule_seconds", "max_seconds"}  # the launcher's own
    assert set(EVERYTHING) == set(JobSettings.model_fields) - limits


def test_no_queue_no_suspension() -> None:
    job = body()
    assert not {"suspend", "schedulingPolicy"} & set(job["spec"]["runPolicy"])
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]


def test_the_image_is_the_setting_then_the_launchers_own_then_the_released_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEN_IMAGE", raising=False)
    assert container_of(body())["image"] == image("train")
    monkeypatch.setenv("PLATEN_IMAGE", "mine:1")
    assert container_of(body())["image"] == env_of(body())["PLATEN_IMAGE"] == "mine:1"
    assert container_of(body({"image": "set:1"}))["image"] == "set:1"


def test_the_emulator_of_the_launcher_is_the_pods_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://storage:4443")
    assert env_of(body())["STORAGE_EMULATOR_HOST"] == "http://storage:4443"
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    assert "STORAGE_EMULATOR_HOST" not in env_of(body())


def test_one_place_one_name() -> None:
    first, again, other = (
        training(f"gs://b/ws/train/.{name}", uri) for name, uri in (("a", "x"), ("a", "y"), ("b", "x"))
    )
    assert first.name == again.name != other.name
    assert len(first.name) <= 63 - len("-master-0")


def test_owners_are_passed_on_and_none_is_invented() -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "a-run", "uid": "1"}
    assert body(owners=[owner])["metadata"]["ownerReferences"] == [owner]
    assert "ownerReferences" not in body()["metadata"]


@pytest.mark.parametrize("spec", [body(), None], ids=["job", "no_job"])
def test_the_spec_is_left_as_kubectl_takes_it(tmp_path: Path, spec: dict[str, Any] | None) -> None:
    def work(settings: Settings, inputs: object, place: Any) -> Outcome:
        if spec is not None:
            place.observe(job=spec)
        return Outcome()

    folder = run_stage(Stage("train", 1, "model", Settings, {}, work), Settings(), {}, str(tmp_path)).folder
    assert isinstance(folder.manifest, Manifest)
    write_spec(folder, str(tmp_path / "outputs" / "job"))
    assert json.loads((tmp_path / "outputs" / "job").read_bytes()) == (spec or {})
