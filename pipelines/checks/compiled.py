"""What the pods of a compiled pipeline ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from platen.jobs.preflight import quantity
from platen.pipelines.package import Json, Package


@dataclass(frozen=True)
class Asked:
    """What one task's pod asks for: image, environment, Secrets with the keys that are read, claims, and a node.

    Secrets to pull images with are apart: a pod starts without them.
    """

    image: str
    environment: Mapping[str, str]
    secrets: Mapping[str, frozenset[str]]
    pull_secrets: frozenset[str]
    claims: frozenset[str]
    labels: Mapping[str, str]
    resources: Mapping[str, Decimal]


def asked(package: Package) -> dict[str, Asked]:
    """List what each task asks for, by its stage's name."""
    kubernetes: Json = package.platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {})
    pods = kubernetes.get("executors", {})
    found = {
        name.removeprefix("exec-").replace("-", "_"): _asked(executor["container"], pods.get(name, {}))
        for name, executor in package.spec["deploymentSpec"]["executors"].items()
        if "container" in executor
    }
    return dict(sorted(found.items()))


def _asked(container: Json, pod: Json) -> Asked:
    secrets: dict[str, frozenset[str]] = {}
    for entry in pod.get("secretAsEnv", []):
        keys = frozenset(pair["secretKey"] for pair in entry["keyToEnv"])
        secrets[_name(entry)] = secrets.get(_name(entry), frozenset()) | keys
    for entry in pod.get("secretAsVolume", []):
        secrets.setdefault(_name(entry), frozenset())
    return Asked(
        image=container["image"],
        environment={entry["name"]: entry.get("value", "") for entry in container.get("env", [])},
        secrets=secrets,
        pull_secrets=frozenset(_name(entry) for entry in pod.get("imagePullSecret", [])),
        claims=frozenset(entry["constant"] for entry in pod.get("pvcMount", []) if "constant" in entry),
        labels=pod.get("nodeSelector", {}).get("labels", {}),
        resources=_resources(container.get("resources", {})),
    )


def _name(entry: Json) -> str:
    """The name of a Secret; compilers before 2.14 wrote it in this field only."""
    return str(entry.get("secretName") or entry.get("secretNameParameter", {}).get("runtimeValue", {}).get("constant"))


def _resources(found: Mapping[str, Any]) -> dict[str, Decimal]:
    named = {"cpu": found.get("resourceCpuRequest"), "memory": found.get("resourceMemoryRequest")}
    accelerator = found.get("accelerator")
    if accelerator:
        named[str(accelerator["resourceType"])] = accelerator["resourceCount"]
    return {name: quantity(str(amount)) for name, amount in named.items() if amount is not None}
