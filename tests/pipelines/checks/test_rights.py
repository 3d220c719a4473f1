"""The rights of train and of deploy, asked for where each works."""

from __future__ import annotations

import pytest

from platen.core.errors import ClusterError
from platen.jobs.cluster import Object
from platen.jobs.rights import Account
from platen.pipelines.checks.rights import bind, of_deploy, of_train
from platen.pipelines.checks.site import Site
from tests.fake_cluster import Answer, FakeCluster
from tests.pipelines.checks.sites import site

TEXT = "train: {ranks: 2, job: {}}, deploy: {deployment: {namespace: prod}}"
STEPS = Account("kubeflow", "runner")


def run(answer: Answer) -> Site:
    return site(TEXT, FakeCluster(answer=answer), inside=False, account=STEPS)


def allowing(*verbs: str, namespaces: tuple[str, ...] = ("platen", "prod")) -> Answer:
    """Answers that allow these verbs, all where there are none, in these namespaces."""

    def answer(method: str, path: str, body: Object) -> Object:
        asked = body["spec"]["resourceAttributes"]
        allowed = asked["namespace"] in namespaces and (not verbs or asked["verb"] in verbs)
        return {"status": {"allowed": allowed}}

    return answer


def test_each_is_asked_for_in_its_own_namespace() -> None:
    one = run(allowing(namespaces=("platen",)))
    assert [found.state for found in (*of_train(one), *of_deploy(one))] == ["ok", "missing"]
    other = run(allowing(namespaces=("prod",)))
    assert [found.state for found in (*of_train(other), *of_deploy(other))] == ["missing", "ok"]


def test_what_lacks_is_listed_with_the_command_that_gives_it() -> None:
    (found,) = of_train(run(allowing("get", "list")))
    assert found.words.startswith("the account kubeflow/runner may not create pytorchjobs.kubeflow.org, ")
    assert " get " not in found.words
    assert bind(FakeCluster(namespace="platen"), "kubeflow:runner") in found.fix


def test_who_has_none_of_them_looks_in_the_wrong_place() -> None:
    (nothing,), (some,) = of_train(run(allowing("none"))), of_train(run(allowing("get")))
    assert (nothing.user, some.user) == (True, False)


def test_who_must_not_ask_for_others_does_not_know_and_any_other_refusal_is_an_error() -> None:
    (found,) = of_train(run(lambda *_: 403))
    assert found.state == "not checked"
    with pytest.raises(ClusterError):
        list(of_train(run(lambda *_: 500)))


def test_where_nothing_runs_on_the_cluster_no_rights_are_needed() -> None:
    bare = site("train: {ranks: 2}, deploy: {deployment: null}", FakeCluster())
    assert [*of_train(bare), *of_deploy(bare)] == []
