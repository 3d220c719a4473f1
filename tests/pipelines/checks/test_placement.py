"""What pods refer to and is not there, or not as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.jobs.cluster import Object
from platen.pipelines.checks.placement import claim, secrets
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site

ROOT = Path(__file__).parents[3]
JOB = "train: {ranks: 2, job: {image_pull_secrets: [registry], secret_env: {TOKEN: hub/token}}}"


def test_without_a_secret_to_pull_with_pods_start_and_without_another_they_do_not() -> None:
    hub, registry = secrets(site(JOB, FakeCluster()))
    assert (hub.state, hub.fatal) == ("missing", True)
    assert (registry.state, registry.fatal) == ("missing", False)
    assert "kubectl -n platen create secret docker-registry registry" in registry.fix
    assert "create secret generic hub" in hub.fix


@pytest.mark.parametrize(("phase", "state"), [("Lost", "missing"), ("Bound", "ok"), ("Pending", "ok")])
def test_a_claim_whose_volume_is_gone_is_no_good_one(phase: str, state: str) -> None:
    def answer(method: str, path: str, body: Object) -> Object:
        if path.endswith("storageclasses"):
            return {"items": [{"metadata": {"name": "standard"}}]}
        return {"spec": {"storageClassName": "standard", "volumeName": "pv-1"}, "status": {"phase": phase}}

    found = claim(FakeCluster(answer=answer), "data")
    assert found.state == state
    assert phase != "Lost" or "its volume pv-1 is gone" in found.words


def test_the_claim_that_serves_as_an_example_is_there() -> None:
    named = claim(FakeCluster(), "data").fix.partition("(")[2].partition(" ")[0]
    assert (ROOT / named).is_file()
