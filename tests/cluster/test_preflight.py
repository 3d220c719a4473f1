"""Preflight on a real cluster: what a later stage would fail of is told before anything is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.core.images import image
from platen.core.settings import over
from platen.core.storage import join, store_for
from platen.jobs.cluster import MERGE, Cluster
from tests.cluster.accounts import kubeconfig_of
from tests.cluster.manifests import kind_overlay
from tests.cluster.training import StepPod, quota

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

IMAGE = image("light")  # preflight's own is this one under another name, and clusters for tests are given this one
MINUTE = 60  # seconds within which a fault of the user's is refused


@dataclass(frozen=True)
class Site:
    """The kind overlay in a namespace of its own, and sources in a bucket."""

    cluster: Cluster
    bucket: str
    folder: Path

    def settings(self, changes: dict[str, Any]) -> str:
        job = {"nodes": 2, "cpu": "50m", "memory": "128Mi", "shm": "16Mi", "image": IMAGE}
        chosen = {
            "workspace": join(self.bucket, uuid.uuid4().hex[:8]),
            "run": join(self.bucket, uuid.uuid4().hex[:8]),
            "ingest": {"folder": f"{self.bucket}/pictures"},
            "generate": {"prompts": f"{self.bucket}/prompts.txt"},
            "train": {"job": job},
            "deploy": {"deployment": {}},
        }
        return yaml.safe_dump(over(chosen, changes))

    def run(
        self, command: str, changes: dict[str, Any], account: str = "pipeline-runner"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine, with the rights of an account of the cluster."""
        folder = self.folder / uuid.uuid4().hex[:8]
        folder.mkdir()
        (folder / "my.yaml").write_text(self.settings(changes))
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig_of(self.cluster, account, folder)),
            "PLATEN_SCRATCH": str(folder / "scratch"),
        }
        words = [sys.executable, "-m", "platen.cli", command, "--settings", "my.yaml"]
        return subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=MINUTE
        )

    def pod(self, images: str, changes: dict[str, Any]) -> StepPod:
        """Run preflight in a pod, as Kubeflow Pipelines does."""
        name, core = f"preflight-{uuid.uuid4().hex[:8]}", f"/api/v1/namespaces/{self.cluster.namespace}"
        text = {"my.yaml": self.settings(changes)}
        self.cluster.create(f"{core}/configmaps", {"metadata": {"name": name}, "data": text})
        variables = {"STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"], "PLATEN_IMAGES": images}
        container = {
            "name": "main",
            "image": IMAGE,
            "command": ["platen", "preflight", "--settings", "/settings/my.yaml"],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "volumeMounts": [{"name": "settings", "mountPath": "/settings"}],
        }
        spec = {
            "serviceAccountName": "pipeline-runner",
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "settings", "configMap": {"name": name}}],
        }
        self.cluster.create(f"{core}/pods", {"metadata": {"name": name}, "spec": spec})
        return StepPod(self.cluster, name)


@pytest.fixture(scope="module")
def site(cluster: Cluster, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("preflight")
    store = store_for(bucket)
    store.write(f"{bucket}/prompts.txt", b"a red circle")
    store.write(f"{bucket}/pictures/a.txt", b"a red circle")
    with kind_overlay(cluster, folder / "manifests", serving=False) as (own, _):
        yield Site(own, bucket, folder)


def grant_pods(site: Site) -> None:
    """What Kubeflow Pipelines gives the account of its steps, and Platen's manifests do not."""
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.cluster.namespace}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "delete"]}]
    site.cluster.apply(f"{base}/roles/kubeflow", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "kubeflow"}, "rules": rules,
    })  # fmt: skip
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "kubeflow"}
    site.cluster.apply(f"{base}/rolebindings/kubeflow", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "kubeflow"},
        "roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": "pipeline-runner"}],
    })  # fmt: skip


def test_a_site_without_a_fault_passes(site: Site, needs_image: Callable[[str], str]) -> None:
    needs_image("light")
    done = site.run("preflight", {})
    assert done.returncode == 0, done.stderr
    assert "items are as they should be" in done.stderr
    found = site.cluster.items(f"/apis/kubeflow.org/v1/namespaces/{site.cluster.namespace}/pytorchjobs")
    assert [job["metadata"]["name"].partition("-")[0] for job in found] == ["probe"]


def test_two_runs_at_once_share_a_probe(site: Site, needs_image: Callable[[str], str]) -> None:
    needs_image("light")
    changes = {"workspace": join(site.bucket, "shared")}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: site.run("preflight", changes), range(2)))
    assert [done.returncode for done in both] == [0, 0], "".join(done.stderr for done in both)
    assert not any("not checked: a training pod" in done.stderr for done in both)


def test_the_wrong_namespace_of_deploy_ends_a_run_before_anything_is_ingested(site: Site) -> None:
    workspace, run = join(site.bucket, "wrong-ws"), join(site.bucket, "wrong-run")
    changes = {"deploy": {"deployment": {"namespace": "default"}}, "workspace": workspace, "run": run}
    done = site.run("run", changes)
    assert done.returncode == 2, done.stderr
    assert "rights of deploy in the namespace default" in done.stderr
    assert "set deploy.deployment.namespace to the namespace of the Deployment" in done.stderr
    assert "ingest:" not in done.stderr
    assert store_for(workspace).list(workspace) == []
    summary = json.loads(store_for(run).read(join(run, "summary.json")) or b"{}")
    assert (summary["failure"]["stage"], summary["failure"]["exit_code"]) == ("preflight", 2)


def test_a_namespace_without_the_deployment_is_refused_where_the_rights_are_there(site: Site) -> None:
    """As for an administrator, or with the manifests half applied."""
    done = site.run("preflight", {"deploy": {"deployment": {"service": "serve", "container": "server"}}})
    assert done.returncode == 2
    assert "'server' is not in the Deployment" in done.stderr
    assert "set deploy.deployment.container" in done.stderr


def test_a_right_that_is_missing_is_the_cluster_s_fault(site: Site) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{site.cluster.namespace}/roles/platen-pipeline"
    rules = (site.cluster.get(path) or {})["rules"]
    fewer = [rule for rule in rules if rule["resources"] not in (["events"], ["services"])]
    site.cluster.call("PATCH", path, {"rules": fewer}, content=MERGE)
    try:
        done = site.run("preflight", {})
    finally:
        site.cluster.call("PATCH", path, {"rules": rules}, content=MERGE)
    assert done.returncode == 1
    account = f"the account {site.cluster.namespace}/pipeline-runner"
    assert f"1. rights of train in the namespace {site.cluster.namespace}: {account} may not list events" in done.stderr
    assert (
        f"2. rights of deploy in the namespace {site.cluster.namespace}: {account} may not get services" in done.stderr
    )


def test_all_faults_are_told_at_once(site: Site) -> None:
    changes = {
        "workspace": "gs://platen-no-such-bucket/ws",
        "generate": {"prompts": f"{site.bucket}/none.txt"},
        "deploy": {"deployment": {"container": "server"}},
        "train": {"job": {"kueue_queue": "research", "priority_class": "gold"}},
    }
    with quota(site.cluster, requests_memory="200Mi"):
        done = site.run("preflight", changes)
    assert done.returncode == 2
    faults = ("is too small for the job", "'server' is not in", "no such bucket", "none.txt: there is nothing")
    assert [fault for fault in faults if fault not in done.stderr] == [], done.stderr
    found = site.cluster.items(f"/apis/kubeflow.org/v1/namespaces/{site.cluster.namespace}/pytorchjobs")
    assert [job for job in found if "probe" in job["metadata"]["name"] and "research" in str(job)] == []


def test_a_quota_that_others_use_up_for_now_is_no_fault(site: Site, needs_image: Callable[[str], str]) -> None:
    needs_image("light")
    pods = f"/api/v1/namespaces/{site.cluster.namespace}/pods"
    amounts = {"requests": {"memory": "100Mi"}, "limits": {"memory": "100Mi"}}
    container = {"name": "main", "image": IMAGE, "command": ["sleep", "600"], "resources": amounts}
    site.cluster.create(pods, {"metadata": {"name": "other"}, "spec": {"containers": [container]}})
    try:
        with quota(site.cluster, limits_memory="300Mi"):
            done = site.run("preflight", {})
    finally:
        site.cluster.call("DELETE", f"{pods}/other", {"gracePeriodSeconds": 0})
    assert done.returncode == 0, done.stderr
    assert "has no room now" in done.stderr
    assert "not checked: a training pod" in done.stderr


def test_an_image_that_no_pod_of_training_can_pull_is_refused(site: Site) -> None:
    done = site.run("preflight", {"train": {"job": {"image": "Platen/TRAIN"}}})
    assert done.returncode == 1
    assert "a pod with Platen/TRAIN cannot start" in done.stderr
    assert "InvalidImageName" in done.stderr


def test_in_a_pod_the_images_of_later_steps_are_pulled(site: Site, needs_image: Callable[[str], str]) -> None:
    needs_image("light")
    grant_pods(site)
    good = f"ingest={IMAGE} gate={IMAGE}"
    pod, bad = site.pod(good, {}), site.pod(f"{good} deploy=Platen/DEPLOY:1", {})
    assert pod.ended() == 0, pod.log()
    assert bad.ended() == 2, bad.log()
    assert "image Platen/DEPLOY:1 (of deploy): InvalidImageName" in bad.log()
    assert "make images" in bad.log()
    left = site.cluster.items(
        f"/api/v1/namespaces/{site.cluster.namespace}/pods", labelSelector="platen.dev/task=images"
    )
    assert [pod for pod in left if "deletionTimestamp" not in pod["metadata"]] == []


def test_in_a_pod_a_pull_that_takes_long_is_no_fault(site: Site, needs_image: Callable[[str], str]) -> None:
    needs_image("light")
    grant_pods(site)
    pod = site.pod("ingest=registry.invalid/platen/ingest:1", {"train": {"job": None}})
    assert pod.ended() == 0, pod.log()
    assert "not checked: images of the later steps: 1 of 1" in pod.log()
