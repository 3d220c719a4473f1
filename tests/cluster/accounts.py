"""Acting as a service account."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from platen.jobs.cluster import Cluster


def token_of(cluster: Cluster, account: str) -> str:
    """A token of a service account in the cluster's namespace, good for an hour."""
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/{account}/token"
    return str(cluster.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"])


def kubeconfig_of(cluster: Cluster, account: str, folder: Path) -> Path:
    """A kubeconfig with which a process has the rights of a service account, in the cluster's namespace."""
    settings = cluster.api.configuration
    authority = base64.b64encode(Path(settings.ssl_ca_cert).read_bytes()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": settings.host, "certificate-authority-data": authority}}],
        "users": [{"name": account, "user": {"token": token_of(cluster, account)}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": account, "namespace": cluster.namespace}}],
        "current-context": "it",
    }
    path = folder / f"{account}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
