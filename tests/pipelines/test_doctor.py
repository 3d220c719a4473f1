"""What doctor takes from the command line, the compiled pipeline and the cluster; tests/cluster has a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platen.jobs.cluster import Cluster, Object
from platen.pipelines import doctor
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.doctor import Asked, examine, site_of
from platen.pipelines.package import read_package
from platen.pipelines.settings import RunSettings
from platen.pipelines.tasks import Target
from tests.fake_cluster import FakeCluster
from tests.pipelines.compiled import write_compiled
from tests.platen.jobs.api_server import Script, serving


def accounts(*names: str, status: int = 404) -> FakeCluster:
    def answer(method: str, path: str, body: Object) -> Object | int:
        return {} if path.rpartition("/")[2] in names else status

    return FakeCluster(namespace="jo", answer=answer)


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        (accounts("pipeline-runner", "default-editor"), "pipeline-runner"),
        (accounts("default-editor"), "default-editor"),
        (accounts(), "pipeline-runner"),
        (accounts(status=403), "pipeline-runner"),
    ],
    ids=["installation", "profile", "neither", "no_right"],
)
def test_rights_are_looked_for_as_the_account_that_is_there(cluster: FakeCluster, name: str) -> None:
    assert str(site_of(Asked(), cluster).account) == f"jo/{name}"
    assert str(site_of(Asked(service_account="mine"), cluster).account) == "jo/mine"


def test_without_settings_what_any_run_needs_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATEN_NAMESPACE", raising=False)
    site = site_of(Asked(), accounts())
    assert (site.settings, site.workspace, site.home, site.inside) == (None, "", "jo", False)


def test_runs_lie_in_the_workspace_unless_they_are_named() -> None:
    chosen = {"ingest": {"folder": "a"}, "workspace": "gs://b/ws"}
    named = {**chosen, "run": "gs://b/mine"}
    runs = [site_of(Asked(RunSettings.model_validate(each)), accounts()).run for each in (chosen, named)]
    assert runs == ["gs://b/ws/runs", "gs://b/mine"]


def test_what_was_compiled_says_where_jobs_run_and_with_which_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEN_NAMESPACE", "of-this-shell")
    assert site_of(Asked(), accounts()).home == "of-this-shell"
    write_compiled(tmp_path, Target(cluster=ClusterSettings(env={"PLATEN_NAMESPACE": "training"})))
    site = site_of(Asked(package=read_package(tmp_path, "content")), accounts())
    assert site.home == "training"
    assert site.images["train"].startswith("platen/train:")


def examined(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(doctor, "connect", lambda namespace: cluster)
    monkeypatch.setattr(doctor, "CHECKS", ())
    return list(examine(Asked()))


def test_a_cluster_that_cannot_be_reached_is_the_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Script(), patience=0.0) as cluster:
        pass
    (found,) = examined(cluster, monkeypatch)
    assert (found.state, found.item) == ("missing", f"Kubernetes at {cluster.api.configuration.host}")
    assert "KUBECONFIG" in found.fix


def test_its_version_is_told_and_kubeflow_pipelines_is_looked_for_within(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Script([(200, {"gitVersion": "v1.33.1"}), (404, {})])) as cluster:
        version, backend = examined(cluster, monkeypatch)
    assert (version.state, version.words) == ("ok", "v1.33.1")
    assert (backend.state, "kubeflow" in backend.item) == ("missing", True)
