"""A job with every setting that there is."""

from __future__ import annotations

from typing import Any

from platen.components.train.cluster.workload import training_task

TASK = training_task("gs://bucket/ws/train/.abc", "gs://bucket/ws/train/.abc/job.json")
EVERYTHING: dict[str, Any] = {
    "nodes": 3,
    "processes_per_node": 8,
    "gpu": "nvidia.com/gpu",
    "gpu_type": "nvidia-h100-80gb",
    "gpu_type_label": "cloud.google.com/gke-accelerator",
    "cpu": "64",
    "cpu_limit": "96",
    "memory": "512Gi",
    "shm": "64Gi",
    "scratch": "1Ti",
    "devices": {"rdma/hca": 4},
    "node_selector": {"pool": "training"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"platen.dev/task": "train"}},
                }
            ]
        }
    },
    "image": "registry.example/platen/train:1",
    "image_pull_secrets": ["registry"],
    "env": {"NCCL_DEBUG": "INFO", "PLATEN_LOG": "plain"},
    "secret_env": {"TOKEN": "tracker/token"},
    "volumes": {"scratch": "/mnt/workspace"},
    "service_account": "trainer",
    "priority_class": "high",
    "scheduler_name": "volcano",
    "kueue_queue": "training",
    "grace_seconds": 120,
    "ttl_seconds_after_finished": 600,
}
