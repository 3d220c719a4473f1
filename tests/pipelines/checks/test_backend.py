"""Whether Kubeflow Pipelines answers, at an address and in the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from platen.pipelines.checks.backend import at_address, in_cluster
from tests.fake_cluster import FakeCluster
from tests.pipelines.kfp_server import State

SERVICE = "/api/v1/namespaces/kubeflow/services/ml-pipeline"


def test_one_that_answers_at_its_address_is_there(host: str) -> None:
    assert at_address(host, None, None).state == "ok"


def test_one_that_wants_a_namespace_is_asked_with_it(host: str, state: State) -> None:
    state.multi_user = True
    assert at_address(host, "jo", None).state == "ok"
    found = at_address(host, None, None)
    assert (found.state, found.user, "--namespace" in found.words) == ("missing", True, True)


def test_credentials_that_it_refuses_are_told(host: str, state: State) -> None:
    state.token = "another"
    found = at_address(host, None, None)
    assert found.state == "missing"
    assert "--host" in found.fix


@pytest.mark.parametrize(
    ("service", "health", "state", "words"),
    [
        ({}, {"apiServerReady": True}, "ok", ""),
        (404, 404, "missing", "there is no Service ml-pipeline"),
        ({}, 503, "missing", "it does not answer"),
        ({}, 404, "missing", "what answers is something else"),
        (403, 403, "not checked", "this account must not look"),
        ({}, 403, "not checked", "this account must not look"),
    ],
    ids=["well", "none", "does_not_answer", "something_else", "hidden", "proxy_forbidden"],
)
def test_in_the_cluster_it_is_asked_through_the_api_server(service: Any, health: Any, state: str, words: str) -> None:
    found = in_cluster(FakeCluster(answer=lambda method, path, body: service if path == SERVICE else health))
    assert found.state == state
    assert words in found.words
