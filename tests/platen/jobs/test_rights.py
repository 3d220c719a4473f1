"""What an account may do, as the cluster is asked for it."""

from __future__ import annotations

import pytest

from platen.jobs.cluster import Object, RefusedError
from platen.jobs.rights import Account, Right, lacking, may
from tests.fake_cluster import FakeCluster


def cluster(*allowed: tuple[str, str]) -> tuple[FakeCluster, list[Object]]:
    """One that allows some (verb, resource), and what it was asked."""
    specs: list[Object] = []

    def answer(method: str, path: str, body: Object) -> Object:
        specs.append(body["spec"])
        asked = body["spec"]["resourceAttributes"]
        return {"status": {"allowed": (asked["verb"], asked["resource"]) in allowed}}

    return FakeCluster(answer=answer), specs


def test_each_verb_that_is_not_allowed_is_listed() -> None:
    here, _ = cluster(("get", "pods"), ("list", "pods"))
    rights = [Right("", "pods", ("get", "list", "delete")), Right("apps", "deployments", ("get",), "serve")]
    assert lacking(here, rights) == ["delete pods", "get deployments.apps/serve"]


def test_a_part_of_a_resource_is_asked_for_as_one() -> None:
    here, specs = cluster()
    may(here, "get", "", "pods/log", name="x")
    assert specs[0]["resourceAttributes"] == {
        **{"verb": "get", "group": "", "resource": "pods", "subresource": "log", "name": "x"},
        "namespace": "steps",
    }


def test_everywhere_names_no_namespace() -> None:
    here, specs = cluster()
    may(here, "list", "", "nodes", everywhere=True)
    assert "namespace" not in specs[0]["resourceAttributes"]


def test_another_account_is_asked_for_with_the_groups_that_it_is_in() -> None:
    here, specs = cluster()
    may(here, "get", "", "pods", account=Account("kubeflow", "runner"))
    assert here.asked == ["POST /apis/authorization.k8s.io/v1/subjectaccessreviews"]
    assert specs[0]["user"] == "system:serviceaccount:kubeflow:runner"
    assert "system:serviceaccounts:kubeflow" in specs[0]["groups"]
    may(here, "get", "", "pods")
    assert here.asked[-1].endswith("/selfsubjectaccessreviews") and "user" not in specs[1]


def test_who_must_not_ask_is_told_so() -> None:
    with pytest.raises(RefusedError):
        may(FakeCluster(answer=lambda *_: 403), "get", "", "pods", account=Account("a", "b"))
