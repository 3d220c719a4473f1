"""The manifests, put onto the cluster that KUBECONFIG names."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from platen.jobs.cluster import Cluster
from tests.manifests.kustomize import kubectl, write_on_top


def on_top(
    overlay: str,
    namespace: str,
    components: tuple[str, ...] = (),
    storage: Mapping[str, str] = {},
    *,
    serving: bool = True,
) -> str:
    """An overlay on top of another, in a namespace of its own.

    Args:
        overlay: The one below.
        namespace: Where its objects go.
        components: Names of components to add.
        storage: Environment of the server in place of the overlay's, PLATEN_WORKSPACE above all.
        serving: Whether the server has pods: they import torch, and take the cores of what is tested.
    """
    text: dict[str, Any] = {"kind": "Kustomization", "namespace": namespace, "resources": [f"../{overlay}"]}
    if components:
        text["components"] = [f"../../components/{name}" for name in components]
    if storage:
        literals = [f"{name}={value}" for name, value in storage.items()]
        generator = {"name": "platen-storage", "namespace": "platen", "behavior": "replace", "literals": literals}
        text["configMapGenerator"] = [generator]
    if not serving:
        text["replicas"] = [{"name": "platen-serve", "count": 0}]
    return yaml.safe_dump(text)


def apply(folder: Path, *options: str) -> list[str]:
    """`kubectl apply -k`: the lines that it prints. Warnings are faults."""
    done = subprocess.run(
        [kubectl(), "apply", "-k", str(folder), *options], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def differences(folder: Path) -> str:
    """`kubectl diff -k`: what applying would change."""
    done = subprocess.run([kubectl(), "diff", "-k", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@contextmanager
def kind_overlay(
    cluster: Cluster,
    folder: Path,
    storage: Mapping[str, str] = {},
    options: tuple[str, ...] = (),
    *,
    serving: bool = True,
) -> Iterator[tuple[Cluster, Path]]:
    """The kind overlay, applied in a namespace that it makes, deleted at the end.

    Args:
        cluster: Where.
        folder: An empty one, for the overlay.
        storage: Environment of the server in place of the overlay's.
        options: Of `kubectl apply`.
        serving: Whether the server has pods.

    Yields:
        A connection with that namespace, and the overlay, to apply again.
    """
    name = f"platen-test-{uuid.uuid4().hex[:8]}"
    overlay = write_on_top(folder, on_top("kind", name, storage=storage, serving=serving))
    try:
        apply(overlay, *options)
        yield replace(cluster, namespace=name), overlay
    finally:
        cluster.delete(f"/api/v1/namespaces/{name}")
