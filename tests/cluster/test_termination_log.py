"""The words of a failing stage, as the pod's status holds them: what Argo makes a failed node's message of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from platen.jobs.cluster import Cluster
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

USERS_ERROR = """
from types import SimpleNamespace
from platen.core.component import execute
from platen.components.ingest.stage import STAGE
output = SimpleNamespace(path="/tmp/artifact", metadata={})
execute(STAGE, "ingest: {folder: /no/such/folder}", "/tmp/workspace", "/tmp/run", {}, output)
"""
UNEXPECTED = """
from platen.core.component import exit_on_error
with exit_on_error("train"):
    raise ValueError("é" * 5000)
"""


@pytest.fixture
def ended(namespace: Cluster, needs_image: Callable[[str], str]) -> dict[str, Any]:
    """How two containers of a pod ended, one with a mistake of the user's; neither may write elsewhere than to /tmp."""
    image, mounts = needs_image("light"), [{"name": "tmp", "mountPath": "/tmp"}]
    containers = [
        {
            "name": name,
            "image": image,
            "command": ["python3", "-c", script],
            "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
            "volumeMounts": mounts,
        }
        for name, script in (("user", USERS_ERROR), ("ours", UNEXPECTED))
    ]
    spec = {"restartPolicy": "Never", "containers": containers, "volumes": [{"name": "tmp", "emptyDir": {}}]}
    path = f"/api/v1/namespaces/{namespace.namespace}/pods"
    namespace.create(path, {"metadata": {"name": "failing"}, "spec": spec})

    def states() -> dict[str, Any] | None:
        status = (namespace.get(f"{path}/failing") or {"status": {}})["status"]
        found = {one["name"]: one["state"].get("terminated") for one in status.get("containerStatuses", [])}
        return found if found and all(found.values()) else None

    return wait_until(states, otherwise="the pod did not end") or {}


def test_kubernetes_says_why_a_stage_failed(ended: dict[str, Any]) -> None:
    assert ended["user"]["exitCode"] == 2
    assert ended["user"]["message"].startswith("ingest: ") and "/no/such/folder" in ended["user"]["message"]
    assert ended["ours"]["exitCode"] == 1
    assert ended["ours"]["message"].startswith("train: ValueError: éé") and ended["ours"]["message"].endswith("éé…")
    assert len(ended["ours"]["message"].encode()) <= 4096
