"""platen.jobs.cluster against a real API server."""

from __future__ import annotations

import pytest

from platen.jobs.cluster import Cluster, RefusedError

BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}


def test_objects_are_applied_merged_read_and_deleted(namespace: Cluster) -> None:
    path = f"/api/v1/namespaces/{namespace.namespace}/configmaps/x"
    assert namespace.apply(path, BODY)["metadata"]["managedFields"][0]["operation"] == "Apply"
    assert namespace.merge(path, {"data": {"c": "d"}})["data"] == {"a": "b", "c": "d"}
    namespace.delete(path, uid="another")
    assert namespace.get(path) is not None, "an object of another uid was deleted"
    namespace.delete(path)
    namespace.delete(path)
    assert namespace.get(path) is None


def test_a_refusal_has_the_servers_words(cluster: Cluster) -> None:
    with pytest.raises(RefusedError, match='namespaces "nope" not found') as caught:
        cluster.apply("/api/v1/namespaces/nope/configmaps/x", BODY)
    assert caught.value.status == 404
