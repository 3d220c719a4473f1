"""Where a release is tried when the settings name no Deployment."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from platen.jobs import cluster
from platen.pipelines.checks import deployment
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site

HERE = "deploy: {deployment: null}"


def test_a_local_run_in_a_pod_tries_the_release_in_its_own_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a notebook: there is an account and a namespace, and a server is installed."""
    (tmp_path / "namespace").write_text("jo")
    monkeypatch.setattr(cluster, "ACCOUNT", tmp_path)
    assert cluster.own_namespace() == "jo"
    assert find_spec("uvicorn") is not None
    assert list(deployment.check(site(HERE, FakeCluster()))) == []


def test_a_step_whose_image_holds_no_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "find_spec", lambda name: None)
    (found,) = deployment.check(site(HERE, FakeCluster()))
    assert (found.state, found.fatal) == ("missing", True)
    assert "pods have no server to test a release on" in found.words


def test_from_outside_a_run_on_the_cluster_needs_one() -> None:
    (found,) = deployment.check(site(HERE, FakeCluster(), inside=False))
    assert (found.item, found.state) == ("deploy.deployment", "missing")
