"""The manifests on a real API server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from platen.jobs.cluster import APPLY, LABELS, MERGE, Cluster, Object, RefusedError
from platen.jobs.pods import condition, timestamp
from platen.jobs.pytorchjob import FOLLOWED, jobs_path
from tests.cluster.manifests import apply, differences, kind_overlay, on_top
from tests.cluster.training import suspended_job
from tests.cluster.waiting import wait_until
from tests.manifests.kustomize import COMPONENTS, HAS, OVERLAYS, write_on_top
from tests.manifests.test_alerts import alerts
from tests.manifests.test_measures import PROMETHEUS, named

pytestmark = pytest.mark.cluster

Overlay = tuple[Cluster, Path]


@pytest.fixture(scope="module")
def applied(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    with kind_overlay(cluster, tmp_path_factory.mktemp("manifests")) as overlay:
        yield overlay


def deployment(cluster: Cluster) -> str:
    return f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/platen-serve"


def server_pods(cluster: Cluster) -> list[dict[str, Any]]:
    """The server's pods, the oldest first."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    found = cluster.items(path, labelSelector="app.kubernetes.io/name=platen-serve")
    return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"])


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("components", [(), COMPONENTS], ids=["alone", "with all components"])
def test_a_server_side_dry_run_is_clean(
    namespace: Cluster, tmp_path: Path, overlay: str, components: tuple[str, ...]
) -> None:
    more = tuple(name for name in components if name not in HAS.get(overlay, ()))
    mine = write_on_top(tmp_path, on_top(overlay, namespace.namespace, more))
    lines = apply(mine, "--server-side", "--dry-run=server")
    assert len(lines) > 15
    assert all(line.endswith("serverside-applied (server dry run)") for line in lines)
    assert [line for line in lines if line.startswith("deployment.apps/platen-serve ")]


def test_applying_again_changes_nothing(applied: Overlay) -> None:
    cluster, overlay = applied
    path = deployment(cluster)
    before = wait_until(lambda: (cluster.get(path) or {}).get("status", {}).get("observedGeneration"))
    assert differences(overlay) == ""
    changed = [line for line in apply(overlay) if not line.endswith(" unchanged")]
    assert changed in ([], ["poddisruptionbudget.policy/platen-serve configured"])  # kubectl always sends its selector
    assert (cluster.get(path) or {})["metadata"]["generation"] == before


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_applying_again_takes_back_neither_release_nor_scale(
    cluster: Cluster, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with kind_overlay(cluster, tmp_path, options=options) as (own, overlay):
        released = {"PLATEN_MODEL": "/workspace/train/0123", "PLATEN_MODEL_DIGEST": "0" * 64}
        serve = {"name": "serve", "env": [{"name": name, "value": value} for name, value in released.items()]}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "platen-serve"},
            "spec": {"template": {"spec": {"containers": [serve]}}},
        }
        own.call("PATCH", deployment(own), body, content=APPLY, query={"fieldManager": "platen"})
        own.call("PATCH", f"{deployment(own)}/scale", {"spec": {"replicas": 2}}, content=MERGE)
        apply(overlay, *options)
        spec = (own.get(deployment(own)) or {})["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert environment.items() >= released.items()
        assert environment["PLATEN_SCRATCH"] == "/scratch"
        assert spec["replicas"] == 2


def test_a_server_without_a_release_is_alive_and_says_so(applied: Overlay, needs_image: Callable[[str], str]) -> None:
    needs_image("serve")
    cluster, _ = applied
    path = started_pod(cluster)
    assert "no model has been released yet" in asked(cluster, f"{path}:8000/proxy/readyz", 503)
    assert json.loads(asked(cluster, f"{path}:8000/proxy/healthz"))["state"] == "empty"
    assert container_status(cluster, path)["ready"] is False
    assert "none has been released yet" in cluster.stream(f"{path}/log").read().decode()


def test_a_scrape_of_the_server_has_what_alerts_ask_for(applied: Overlay, needs_image: Callable[[str], str]) -> None:
    needs_image("serve")
    cluster, _ = applied
    text = asked(cluster, f"{started_pod(cluster)}:8000/proxy/metrics")
    families = {family.name for family in text_string_to_metric_families(text)}
    asked_for = {name for alert in alerts() for name in named(alert["expr"])} - PROMETHEUS
    of_the_server = {name for name in asked_for if not name.startswith("platen_train_")}
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in of_the_server} <= families
    assert "\nplaten_ready 0.0\n" in text


def started_pod(cluster: Cluster) -> str:
    """The address of the server's one pod, once it listens. It must not have been started twice."""
    (pod,) = wait_until(lambda: server_pods(cluster))
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod['metadata']['name']}"
    status = wait_until(
        lambda: (now := container_status(cluster, path)) and (now["started"] or now["restartCount"]) and now
    )
    assert status["restartCount"] == 0, status
    return path


def container_status(cluster: Cluster, pod: str) -> dict[str, Any]:
    """The state of a pod's one container; empty until there is one."""
    statuses = (cluster.get(pod) or {}).get("status", {}).get("containerStatuses", [{}])
    found: dict[str, Any] = statuses[0]
    return found


def asked(cluster: Cluster, path: str, status: int = 200) -> str:
    """What an address in the cluster answers, through the API server."""
    try:
        return cluster.stream(path).read().decode()
    except RefusedError as error:
        assert error.status == status
        return str(error)


def test_the_reaper_as_it_is_scheduled_deletes_what_nobody_follows(
    applied: Overlay, needs_image: Callable[[str], str]
) -> None:
    needs_image("light")
    cluster, _ = applied
    left, followed = (write_job(cluster, name, seconds) for name, seconds in (("left", 3600), ("followed", 0)))
    path = f"/apis/batch/v1/namespaces/{cluster.namespace}"
    schedule = cluster.get(f"{path}/cronjobs/platen-reap") or {}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "reap-now"}}
    cluster.create(f"{path}/jobs", {**body, "spec": schedule["spec"]["jobTemplate"]["spec"]})
    end = wait_until(lambda: end_of(cluster.get(f"{path}/jobs/reap-now") or {}))
    assert end["type"] == "Complete", end
    assert (cluster.get(left), (cluster.get(followed) or {}).get("kind")) == (None, "PyTorchJob")


def write_job(cluster: Cluster, name: str, seconds_ago: float) -> str:
    """A training job that was followed so long ago, and is suspended so that it has no pods; its path."""
    annotations = {FOLLOWED: timestamp(time.time() - seconds_ago)}
    body = suspended_job(name=name, labels=LABELS, annotations=annotations)
    cluster.create(jobs_path(cluster), body)
    return f"{jobs_path(cluster)}/{name}"


def end_of(job: Object) -> Object | None:
    """How a job ended. SuccessCriteriaMet and FailureTarget come before: its pods may still be there."""
    return condition(job, "Complete") or condition(job, "Failed")
