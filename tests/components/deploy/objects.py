"""Objects of Kubernetes as the API server writes them, in the parts that are read."""

from __future__ import annotations

from typing import Any

from kubernetes.client import ApiClient, Configuration

from platen.components.deploy.deployment import Deployment
from platen.components.deploy.deployment_settings import DeploymentSettings
from platen.jobs.cluster import Cluster

Object = dict[str, Any]


def deployment(**settings: Any) -> Deployment:
    """One on a cluster that nothing is asked of."""
    return Deployment(Cluster(ApiClient(Configuration()), "platen"), DeploymentSettings(**settings))


def deployment_seen(replicas: int = 1, generation: int = 1, status: Object | None = None) -> Object:
    """As it is read back."""
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": generation, **(status or {})},
    }


def pod(name: str, statuses: list[Object], conditions: list[Object] | None = None) -> Object:
    """A pod with the states of its containers."""
    return {
        "metadata": {"name": name},
        "status": {"containerStatuses": statuses, "conditions": conditions or []},
    }


def container_status(name: str = "serve", restarts: int = 0, last: Object | None = None, **state: Object) -> Object:
    """The state of a container, and how it ended before."""
    ended = {} if last is None else {"terminated": last}
    return {"name": name, "state": state, "lastState": ended, "restartCount": restarts}


def pod_spec(**env: str) -> Object:
    """The spec of a pod whose server has these variables."""
    variables = [{"name": name, "value": value} for name, value in env.items()]
    return {"containers": [{"name": "other"}, {"name": "serve", "env": [{"name": "PLATEN_SCRATCH"}, *variables]}]}
