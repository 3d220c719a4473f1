"""What the checks take for the run's job and for its namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from platen.core.images import image
from platen.pipelines.checks.site import Site
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site as run_site


def site(text: str, **more: Any) -> Site:
    return run_site(text, FakeCluster(), **more)


@pytest.mark.parametrize(
    ("job", "images", "own", "wanted"),
    [
        ("{image: mine}", {"train": "r/train:1"}, None, "mine"),
        ("{}", {"train": "r/train@sha256:1"}, "r/preflight@sha256:2", "r/train@sha256:1"),
        ("{}", {}, "registry.example.com:5000/p/preflight:7", "registry.example.com:5000/p/train:7"),
        ("{}", {}, None, image("train")),
    ],
    ids=["set", "compiled", "container_of_a_local_run", "process_of_a_local_run"],
)
def test_the_probe_starts_the_image_that_train_would(
    monkeypatch: pytest.MonkeyPatch, job: str, images: dict[str, str], own: str | None, wanted: str
) -> None:
    monkeypatch.delenv("PLATEN_IMAGE", raising=False)
    if own is not None:
        monkeypatch.setenv("PLATEN_IMAGE", own)
    found = site(f"train: {{ranks: 2, job: {job}}}", images=images).job
    assert found is not None
    assert found.image == wanted


def test_each_part_is_looked_for_in_its_own_namespace() -> None:
    both = site("train: {ranks: 2, job: {}}, deploy: {deployment: {namespace: prod}}").namespaces
    places = {what: cluster.namespace for what, cluster in both.items()}
    assert places == {"steps": "steps", "training": "platen", "server": "prod"}
    assert set(site("deploy: {deployment: null}").namespaces) == {"steps"}
