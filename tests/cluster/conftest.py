"""What tests on a real cluster share: a connection to the one that KUBECONFIG names, and a namespace of their own.

Files run beside each other (pytest -n 2), because most of their time is waiting. So what a test makes outside of its
own namespace (a kind of Argo's) stays: another may be using it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator

import pytest

from platen.core.images import image
from platen.jobs.cluster import Cluster, connect
from tests.cluster.namespaces import new_namespace


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With PLATEN_NO_SKIPS set, as in CI, a test that is skipped fails: there everything is there that it needs."""
    report = yield
    if report.skipped and os.environ.get("PLATEN_NO_SKIPS") and not item.get_closest_marker("soak"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that KUBECONFIG names. Skips where there is none."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster: set KUBECONFIG (make kind-up starts one)")
    return connect()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Cluster]:
    """A connection whose namespace is new, and gone after the test."""
    with new_namespace(cluster) as own:
        yield own


@pytest.fixture(scope="session")
def node_images(cluster: Cluster) -> set[str]:
    """Names of the images that the nodes hold, as `platen/train:0.1.0`."""
    nodes = cluster.items("/api/v1/nodes")
    names = [name for node in nodes for held in node["status"].get("images", []) for name in held.get("names") or []]
    return {name.removeprefix("docker.io/") for name in names}


@pytest.fixture
def needs_image(node_images: set[str]) -> Callable[[str], str]:
    """Call it with a stage's name: skips where the nodes do not hold its image."""

    def check(stage: str) -> str:
        if image(stage) not in node_images:
            pytest.skip(f"{image(stage)} is not on the nodes: make images, then load it")
        return image(stage)

    return check
