"""docs/kubeflow.md on a real cluster: what its overlays make there, and its kubectl commands."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from platen.core.settings import parse
from platen.jobs.cluster import LABELS, Cluster
from platen.jobs.pytorchjob import jobs_path
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.tasks import Target
from tests.cluster.test_manifests import end_of
from tests.cluster.test_rbac import as_account
from tests.cluster.training import suspended_job
from tests.cluster.waiting import wait_until
from tests.kubeflow_page import file, files, run, starting
from tests.manifests.kustomize import write_on_top
from tests.pipelines.compiled import write_compiled
from tests.pipelines.kfp_server import kfp_server

pytestmark = pytest.mark.cluster

OVERLAY, MINE = "manifests/overlays/mine/kustomization.yaml", "manifests/overlays/mine"
SMALL = """\
  - patch: |-
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: platen-serve}
      spec: {template: {spec: {containers: [{name: serve, resources: {requests: {cpu: 100m, memory: 1Gi}}}]}}}
"""


def write_overlay(folder: Path, purpose: str, namespace: str, more: str = "") -> None:
    """An overlay of the page in its place, in another namespace, for a cluster of one node."""
    text = file(OVERLAY, purpose)
    own = yaml.safe_load(text)["namespace"]
    text = text.replace(f"namespace: {own}\n", f"namespace: {namespace}\n")
    write_on_top(folder / "manifests", text.replace("[ReadWriteMany]", "[ReadWriteOnce]") + more)


def of_the_profile(*words: str) -> str:
    """The one command of the page that starts so, and is for the profile."""
    (found,) = (command for command in starting(*words) if "team-a" in command)
    return found


@pytest.mark.parametrize("purpose", [purpose for name, purpose in files() if name == OVERLAY])
def test_the_page_s_overlays_can_be_applied(namespace: Cluster, tmp_path: Path, purpose: str) -> None:
    write_overlay(tmp_path, purpose, namespace.namespace)
    (command,) = starting("kubectl", "apply", "-k", MINE)
    lines = run(f"{command} --dry-run=server", tmp_path).splitlines()
    assert len(lines) > 15
    assert all(line.endswith("created (server dry run)") for line in lines)
    assert not [line for line in lines if line.startswith("namespace/")]


def test_a_profile_gets_platen_and_loses_it_again(
    namespace: Cluster, tmp_path: Path, needs_image: Callable[[str], str]
) -> None:
    """A namespace and an account that somebody else owns, and Platen beside them, on a volume."""
    for stage in ("light", "serve"):
        needs_image(stage)
    own = namespace.namespace
    core = f"/api/v1/namespaces/{own}"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default-editor"}}
    namespace.create(f"{core}/serviceaccounts", account)
    before = everything(namespace)

    write_overlay(tmp_path, "profile, volume", own, SMALL)
    here = tmp_path / MINE / "kustomization.yaml"
    here.write_text(here.read_text().replace("registry.example.com/me/", "platen/"))
    (apply, remove) = (starting("kubectl", verb, "-k", MINE)[0] for verb in ("apply", "delete"))
    run(apply, tmp_path)
    run(of_the_profile("kubectl", "annotate"), tmp_path, {"team-a": own})
    token = run(f"{of_the_profile('export')}; echo $KFP_EXISTING_TOKEN", tmp_path, {"team-a": own})
    assert token.count(".") == 2
    assert may(namespace) == {"kubeflow.org/pytorchjobs": True, "apps/deployments": True, "/secrets": False}

    ask_the_doctor(own, tmp_path)

    pod = wait_until(lambda: running(namespace, "platen-serve"))
    assert pod["spec"]["containers"][0]["volumeMounts"][0]
    assert [container["name"] for container in pod["spec"]["containers"]] == ["serve"]
    with forwarded(of_the_profile("kubectl", "port-forward").replace("team-a", own)) as address:
        assert httpx.get(f"{address}/readyz").status_code == 503
        assert "no model has been released yet" in httpx.get(f"{address}/readyz").text
    reaped = f"/apis/batch/v1/namespaces/{own}/jobs"
    end = wait_until(lambda: next(filter(None, map(end_of, namespace.items(reaped))), None))
    assert end["type"] == "Complete", end

    namespace.create(jobs_path(namespace), suspended_job(name="left", labels=LABELS, annotations={}))
    run(of_the_profile("kubectl", "delete", "pytorchjobs"), tmp_path, {"team-a": own})
    assert namespace.items(jobs_path(namespace)) == []
    run(remove, tmp_path)
    wait_until(lambda: everything(namespace) == before, otherwise="something of Platen stayed")
    assert "deletionTimestamp" not in (namespace.get(core) or {})["metadata"]


def ask_the_doctor(own: str, folder: Path) -> None:
    """As the page says for a profile with a volume; it ends with 0, so nothing is missing."""
    (folder / "my.yaml").write_text(file("my.yaml", "volume"))
    write_compiled(folder / "compiled", Target(cluster=parse(ClusterSettings, file("my-cluster.yaml", "volume"))))
    with kfp_server() as (host, state):
        state.multi_user = True
        said = run(of_the_profile("platen", "doctor"), folder, {"http://localhost:8888": host, "team-a": own})
    assert said.count("\nok ") > 15 and " 0 missing" in said, said


def everything(cluster: Cluster) -> set[str]:
    """What is in the namespace, of all that the manifests make, and the accounts and pods."""
    own = cluster.namespace
    kinds = {
        f"/api/v1/namespaces/{own}": ("serviceaccounts", "services", "configmaps", "persistentvolumeclaims", "pods"),
        f"/apis/apps/v1/namespaces/{own}": ("deployments",),
        f"/apis/batch/v1/namespaces/{own}": ("cronjobs", "jobs"),
        f"/apis/autoscaling/v2/namespaces/{own}": ("horizontalpodautoscalers",),
        f"/apis/policy/v1/namespaces/{own}": ("poddisruptionbudgets",),
        f"/apis/networking.k8s.io/v1/namespaces/{own}": ("networkpolicies",),
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{own}": ("roles", "rolebindings"),
    }
    return {
        f"{kind}/{found['metadata']['name']}"
        for path, names in kinds.items()
        for kind in names
        for found in cluster.items(f"{path}/{kind}")
        if found["metadata"]["name"] != "kube-root-ca.crt"
    }


def may(cluster: Cluster) -> dict[str, bool]:
    """Whether the profile's account may do what steps do, and what they don't."""
    steps = as_account(cluster, "default-editor")
    asked = [("kubeflow.org", "pytorchjobs", "", "create"), ("apps", "deployments", "platen-serve", "patch")]
    answers = {}
    for group, resource, name, verb in [*asked, ("", "secrets", "", "get")]:
        about = {"namespace": cluster.namespace, "group": group, "resource": resource, "name": name, "verb": verb}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = steps.create(path, {**body, "spec": {"resourceAttributes": about}})
        answers[f"{group}/{resource}"] = bool(answer["status"]["allowed"])
    return answers


def running(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The pod with this name label, once its container has started."""
    found = cluster.items(
        f"/api/v1/namespaces/{cluster.namespace}/pods", labelSelector=f"app.kubernetes.io/name={name}"
    )
    return next(
        (pod for pod in found if any(s.get("started") for s in pod["status"].get("containerStatuses", []))), None
    )


@contextmanager
def forwarded(command: str) -> Iterator[str]:
    """The address at which a port-forward of the page answers, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(command.replace("8000:", f"{port}:").split(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "Forwarding" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
