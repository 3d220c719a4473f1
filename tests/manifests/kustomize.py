"""The manifests as a cluster gets them: rendered by kubectl."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = ("kind", "gke-gpu", "kubeflow", "kubeflow-profile")
COMPONENTS = tuple(sorted(path.name for path in (MANIFESTS / "components").iterdir()))
HAS = {
    "kind": ("volume",),
    "gke-gpu": ("gke-metadata", "prometheus", "grafana"),
}  # components that an overlay has already

Object = dict[str, Any]


def kubectl() -> str:
    """The program. Skips where there is none."""
    return shutil.which("kubectl") or pytest.skip("no kubectl on the PATH")


@cache
def render(folder: Path) -> tuple[Object, ...]:
    """The objects of a kustomization."""
    done = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def overlay(name: str) -> tuple[Object, ...]:
    """The objects of an overlay."""
    return render(MANIFESTS / "overlays" / name)


def write_on_top(folder: Path, text: str) -> Path:
    """A copy of all manifests in `folder`, with one more overlay, whose kustomization.yaml is `text`. Its path."""
    shutil.copytree(MANIFESTS, folder, dirs_exist_ok=True)
    mine = folder / "overlays" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(text)
    return mine


def overlay_of_the_documentation() -> str:
    """The example in docs/kubernetes.md."""
    found = re.search(r"```yaml\n# kustomization.yaml\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.S)
    assert found
    return found[1]


def with_all_components() -> str:
    """An overlay of kind with every component."""
    components = [f"../../components/{name}" for name in COMPONENTS if name not in HAS["kind"]]
    return yaml.safe_dump({"kind": "Kustomization", "resources": ["../kind"], "components": components})


def one(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The object of this kind and name."""
    (found,) = (o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def templates(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """Names of what makes pods, and the pods' templates."""
    for o in objects:
        match o["kind"]:
            case "Deployment":
                yield o["metadata"]["name"], o["spec"]["template"]
            case "CronJob":
                yield o["metadata"]["name"], o["spec"]["jobTemplate"]["spec"]["template"]


def pods(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """Names of what makes pods, and the pods' specs."""
    for name, template in templates(objects):
        yield name, template["spec"]


def containers(objects: tuple[Object, ...]) -> Iterator[Object]:
    """All containers of all pods."""
    for _, spec in pods(objects):
        yield from (*spec.get("initContainers", []), *spec["containers"])
