"""Quotas that can never hold the job are a fault; those that are full now are not."""

from __future__ import annotations

from typing import Any

import pytest

from platen.jobs.cluster import Object
from platen.pipelines.checks.quota import check
from tests.fake_cluster import FakeCluster
from tests.pipelines.checks.sites import site

JOB = "train: {ranks: 2, job: {nodes: 2, cpu: '4'}}"


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}


def looked_at(*quotas: Object, text: str = JOB) -> list[tuple[str, str]]:
    cluster = FakeCluster(answer=lambda method, path, body: {"items": list(quotas)})
    return [(found.state, found.words) for found in check(site(text, cluster))]


def test_one_that_is_too_small_is_told_with_what_is_lacking() -> None:
    ((state, words),) = looked_at(quota({"requests.cpu": "7"}))
    assert state == "missing"
    assert words.startswith("team is too small for the job: ") and "cpu" in words


def test_one_that_others_fill_now_may_be_free_later() -> None:
    ((state, words),) = looked_at(quota({"requests.cpu": "16"}, {"requests.cpu": "12"}))
    assert (state, "has no room now" in words) == ("not checked", True)


@pytest.mark.parametrize(
    ("quotas", "words"),
    [
        ([quota({"requests.cpu": "64"})], "team"),
        ([], "there is none"),
        ([quota({"requests.cpu": "1"}, scopes=["BestEffort"])], "there is none"),
    ],
    ids=["room", "none", "of_other_pods"],
)
def test_all_is_well(quotas: list[Object], words: str) -> None:
    assert looked_at(*quotas) == [("ok", words)]


def test_what_is_not_known_yet_is_not_judged() -> None:
    ((state, _),) = looked_at(text=f"{JOB}, plan: {{use: true}}")
    assert state == "not checked"
    (found,) = check(site(JOB, FakeCluster(answer=lambda *_: 403)))
    assert found.state == "not checked"
    assert list(check(site("train: {ranks: 2}", FakeCluster()))) == []
