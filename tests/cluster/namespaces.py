"""Namespaces of tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from platen.jobs.cluster import LABELS, Cluster


@contextmanager
def new_namespace(cluster: Cluster) -> Iterator[Cluster]:
    """A connection whose namespace is new, with its default service account there; deleted at the end."""
    name = f"platen-test-{uuid.uuid4().hex[:8]}"
    path = f"/api/v1/namespaces/{name}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS}}
    cluster.create("/api/v1/namespaces", body)
    try:
        while cluster.get(f"{path}/serviceaccounts/default") is None:
            time.sleep(0.1)
        yield replace(cluster, namespace=name)
    finally:
        cluster.delete(path)
