"""What the checks read out of a compiled pipeline."""

from __future__ import annotations

from pathlib import Path

import yaml

from platen.core.settings import parse
from platen.pipelines.checks.compiled import asked
from platen.pipelines.cluster_settings import STAGES, ClusterSettings
from platen.pipelines.package import read_package
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import write_compiled

CLUSTER = {
    "secret_env": {"HF_TOKEN": "hub/token", "OTHER": "hub/other"},
    "secret_files": {"webhook": "/etc/webhook"},
    "image_pull_secrets": ["registry"],
    "volumes": {"claim": "/workspace"},
    "node_selector": {"disk": "ssd"},
    "env": {"PLATEN_NAMESPACE": "platen"},
    "encode": {"gpu": "nvidia.com/gpu", "gpus": 2, "gpu_type": "NVIDIA-L4", "cpu": "1500m", "memory": "16Gi"},
}


def test_every_pod_is_there_with_what_it_asks_for(tmp_path: Path) -> None:
    write_compiled(tmp_path, Target(cluster=parse(ClusterSettings, yaml.safe_dump(CLUSTER))))
    found = asked(read_package(tmp_path, "content"))
    assert set(found) == set(STAGES) - {"sample"}
    for pod in found.values():
        assert pod.secrets == {"hub": {"token", "other"}, "webhook": set()}
        assert pod.pull_secrets == {"registry"}
        assert pod.claims == {"claim"}
        assert pod.environment["PLATEN_NAMESPACE"] == "platen"
        assert pod.labels["disk"] == "ssd"
    encode = found["encode"]
    assert encode.image.startswith("platen/encode:")
    assert encode.labels["nvidia.com/gpu.product"] == "NVIDIA-L4"
    resources = {name: f"{amount.normalize():f}" for name, amount in encode.resources.items()}
    assert resources == {"cpu": "1.5", "memory": str(16 * 2**30), "nvidia.com/gpu": "2"}
