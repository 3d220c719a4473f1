"""What is looked for before a training job: operator, queue, priority, reaper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from platen.core.errors import ClusterError
from platen.jobs.cluster import Object
from platen.pipelines.checks.jobs import operator, queue, reaper
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site

JOB = "train: {ranks: 2, job: {kueue_queue: gpus, priority_class: high}}"
KUEUE = {"preferredVersion": {"groupVersion": "kueue.x-k8s.io/v1beta2"}}
QUEUE = "/apis/kueue.x-k8s.io/v1beta2/namespaces/platen/localqueues/gpus"
PRIORITY = "/apis/scheduling.k8s.io/v1/priorityclasses/high"
REAPER = "/apis/batch/v1/namespaces/platen/cronjobs/platen-reap"


def having(objects: Mapping[str, Object | int]) -> FakeCluster:
    """A cluster with some objects or refusals, by path."""
    return FakeCluster(answer=lambda method, path, body: objects.get(path, 404))


@pytest.mark.parametrize("check", [operator, queue, reaper])
def test_a_run_that_trains_on_this_machine_needs_none_of_it(check: Any) -> None:
    cluster = FakeCluster()
    assert list(check(site("train: {ranks: 2}", cluster))) == []
    assert cluster.asked == []


def test_an_operator_that_is_missing_is_the_cluster_s_fault_and_comes_with_its_installation() -> None:
    (there,) = operator(site(JOB, having({"/apis/kubeflow.org/v1": {"resources": [{"name": "pytorchjobs"}]}})))
    (found,) = operator(site(JOB, having({})))
    assert (there.state, found.state, found.user) == ("ok", "missing", False)
    assert found.fix.startswith("kubectl apply")


def test_a_cluster_that_fails_is_not_taken_for_one_without_operator() -> None:
    with pytest.raises(ClusterError, match="status 500"):
        list(operator(site(JOB, having({"/apis/kubeflow.org/v1": 500}))))


@pytest.mark.parametrize(
    ("objects", "states"),
    [
        ({"/apis/kueue.x-k8s.io": KUEUE, QUEUE: {}, PRIORITY: {}}, ["ok", "ok"]),
        ({"/apis/kueue.x-k8s.io": KUEUE, PRIORITY: {}}, ["missing", "ok"]),
        ({}, ["missing", "missing"]),
        ({"/apis/kueue.x-k8s.io": KUEUE, QUEUE: 403, PRIORITY: 403}, ["not checked", "not checked"]),
    ],
    ids=["there", "no_queue", "no_kueue", "no_right"],
)
def test_queue_and_priority_are_looked_for_by_name(objects: dict[str, Any], states: list[str]) -> None:
    found = list(queue(site(JOB, having(objects))))
    assert [each.state for each in found] == states
    assert [each.item for each in found] == ["queue of Kueue platen/gpus", "PriorityClass high"]


def test_a_job_without_queue_asks_for_none() -> None:
    assert list(queue(site("train: {ranks: 2, job: {}}", FakeCluster()))) == []


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        ({"spec": {"schedule": "*/10 * * * *"}}, "ok", "*/10 * * * *"),
        ({"spec": {"schedule": "* * * * *", "suspend": True}}, "missing", "it is suspended"),
        (404, "missing", "there is none"),
        (403, "not checked", "must not look"),
    ],
    ids=["there", "suspended", "none", "no_right"],
)
def test_a_missing_reaper_warns_and_never_ends_a_run(found: Any, state: str, words: str) -> None:
    (told,) = reaper(site(JOB, having({REAPER: found})))
    assert (told.state, words in told.words) == (state, True)
    assert not (told.state == "missing" and told.fatal)
