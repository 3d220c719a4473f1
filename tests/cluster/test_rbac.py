"""What each service account can do, and what it cannot: tried, with a token of that account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from platen.jobs.cluster import APPLY, MERGE, Cluster, RefusedError
from tests.cluster.accounts import token_of
from tests.cluster.manifests import kind_overlay
from tests.cluster.namespaces import new_namespace
from tests.cluster.training import suspended_job

pytestmark = pytest.mark.cluster

ACCOUNTS = ("pipeline-runner", "platen-reap", "platen-serve", "platen-train", "default")
JOBS = "/apis/kubeflow.org/v1/namespaces/{own}/pytorchjobs"
CORE = "/api/v1/namespaces/{own}"
APPS = "/apis/apps/v1/namespaces/{own}/deployments"
RIGHTS = "/apis/rbac.authorization.k8s.io/v1"


class Call(NamedTuple):
    """A request; `{own}` and `{other}` in its path are two namespaces."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    content: str = "application/json"


def job(namespace: str) -> dict[str, Any]:
    """A training job that is suspended, so that it never has pods."""
    return suspended_job(name="a-job", namespace=namespace)


# What the steps of the pipeline do; the other accounts may do none of it, but for the two calls of the reaper.
READ_JOBS = [Call("GET", f"{JOBS}/a-job"), Call("GET", f"{JOBS}?watch=true&timeoutSeconds=1")]
REAP = [Call("GET", JOBS), Call("DELETE", f"{JOBS}/a-job")]
CHANGE_JOBS = [
    Call("PATCH", f"{JOBS}/a-job?fieldManager=platen&force=true", job("{own}"), APPLY),
    Call("PATCH", f"{JOBS}/a-job", {"metadata": {"annotations": {"platen.dev/followed-at": "now"}}}, MERGE),
]
WATCH = [
    Call("GET", f"{CORE}/pods"),
    Call("GET", f"{CORE}/pods/none"),
    Call("GET", f"{CORE}/pods?watch=true&timeoutSeconds=1"),
    Call("GET", f"{CORE}/pods/none/log"),
    Call("GET", f"{CORE}/events"),
    Call("GET", f"{CORE}/resourcequotas"),
    Call("GET", "/apis/kueue.x-k8s.io/v1beta1/namespaces/{own}/workloads"),
    Call("GET", "/apis/kueue.x-k8s.io/v1beta1/namespaces/{own}/localqueues/none"),
    Call("GET", "/apis/argoproj.io/v1alpha1/namespaces/{own}/workflows/none"),
]
RELEASE = [
    Call("GET", f"{APPS}/platen-serve"),
    Call("PATCH", f"{APPS}/platen-serve", {"metadata": {"annotations": {"platen.dev/run": "a-run"}}}, MERGE),
    Call("GET", f"{CORE}/services/platen-serve"),
]
PIPELINE = [*CHANGE_JOBS, *READ_JOBS, *REAP, *WATCH, *RELEASE]

# What nobody may do.
NAMED = {"metadata": {"name": "mine"}}
EMPTY: dict[str, Any] = {}
NEVER = [
    # read or write what is secret, or what others are set up with
    Call("GET", f"{CORE}/secrets"),
    Call("GET", f"{CORE}/secrets/any"),
    Call("POST", f"{CORE}/secrets", NAMED),
    Call("GET", f"{CORE}/configmaps"),
    Call("POST", f"{CORE}/configmaps", NAMED),
    # start, change or enter pods
    Call("POST", f"{CORE}/pods", NAMED),
    Call("DELETE", f"{CORE}/pods/any"),
    Call("PATCH", f"{CORE}/pods/any", EMPTY, MERGE),
    Call("POST", f"{CORE}/pods/any/exec?command=sh"),
    Call("POST", f"{CORE}/pods/any/attach"),
    Call("POST", f"{CORE}/pods/any/portforward"),
    Call("GET", f"{CORE}/pods/any:8000/proxy/"),
    Call("POST", "/apis/batch/v1/namespaces/{own}/jobs", NAMED),
    Call("PATCH", "/apis/batch/v1/namespaces/{own}/cronjobs/platen-reap", EMPTY, MERGE),
    # more of the server than the release
    Call("GET", APPS),
    Call("POST", APPS, NAMED),
    Call("DELETE", f"{APPS}/platen-serve"),
    Call("PATCH", f"{APPS}/another", EMPTY, MERGE),
    Call("PATCH", f"{APPS}/platen-serve/scale", EMPTY, MERGE),
    Call("GET", f"{CORE}/services"),
    Call("PATCH", f"{CORE}/services/platen-serve", EMPTY, MERGE),
    Call("POST", f"{CORE}/services", NAMED),
    Call("DELETE", "/apis/networking.k8s.io/v1/namespaces/{own}/networkpolicies/platen-default"),
    Call("DELETE", "/apis/policy/v1/namespaces/{own}/poddisruptionbudgets/platen-serve"),
    Call("DELETE", f"{CORE}/persistentvolumeclaims/platen-workspace"),
    # more of jobs and quotas than one at a time
    Call("DELETE", JOBS),
    Call("PATCH", f"{JOBS}/a-job/status", EMPTY, MERGE),
    Call("PATCH", f"{CORE}/resourcequotas/any", EMPTY, MERGE),
    Call("POST", f"{CORE}/events", NAMED),
    Call("DELETE", "/apis/kueue.x-k8s.io/v1beta1/namespaces/{own}/workloads/any"),
    # become somebody else
    Call("POST", f"{CORE}/serviceaccounts/platen-reap/token", EMPTY),
    Call("GET", f"{CORE}/serviceaccounts"),
    Call("POST", f"{RIGHTS}/namespaces/{{own}}/rolebindings", NAMED),
    Call("PATCH", f"{RIGHTS}/namespaces/{{own}}/roles/platen-pipeline", EMPTY, MERGE),
    Call("GET", f"{RIGHTS}/namespaces/{{own}}/rolebindings"),
    Call("GET", f"{RIGHTS}/clusterroles"),
    # anything of the cluster, or of other namespaces
    Call("GET", "/api/v1/nodes"),
    Call("GET", "/api/v1/namespaces"),
    Call("POST", "/api/v1/namespaces", NAMED),
    Call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    Call("GET", "/apis/kubeflow.org/v1/pytorchjobs"),
    Call("GET", "/api/v1/pods"),
    *(Call(c.method, c.path.replace("{own}", "{other}"), c.body, c.content) for c in PIPELINE),
]


class Namespaces(NamedTuple):
    """Two namespaces, the manifests applied in the one."""

    own: Cluster
    other: str


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespaces]:
    folder = tmp_path_factory.mktemp("manifests")
    with kind_overlay(cluster, folder, serving=False) as (own, _), new_namespace(cluster) as other:
        yield Namespaces(own, other.namespace)


def as_account(admin: Cluster, account: str) -> Cluster:
    """A connection with a token of this account, and with nothing of the administrator's."""
    from kubernetes import client

    settings = client.Configuration()
    settings.host = admin.api.configuration.host
    settings.ssl_ca_cert = admin.api.configuration.ssl_ca_cert
    settings.api_key = {"authorization": f"Bearer {token_of(admin, account)}"}
    settings.retries = False
    return replace(admin, api=client.ApiClient(settings))


def fill(call: Call, own: str, other: str) -> Call:
    """The call with the names of the namespaces in it."""
    body = job(own) if call.body == job("{own}") else call.body
    return call._replace(path=call.path.format(own=own, other=other), body=body)


def status(cluster: Cluster, call: Call) -> int:
    """The HTTP status of the answer to a call."""
    try:
        if call.method == "GET":
            cluster.stream(call.path).read()  # a log is no JSON, and a watch more than one document
        else:
            cluster.call(call.method, call.path, call.body, content=call.content)
    except RefusedError as error:
        # A mistyped path would be refused as well, but as a path.
        assert error.status != 403 or 'resource "' in str(error), error
        return error.status
    return 200


def answers(namespaces: Namespaces, account: str, calls: list[Call]) -> dict[str, int]:
    """Status by call."""
    connection = as_account(namespaces.own, account)
    filled = [fill(call, namespaces.own.namespace, namespaces.other) for call in calls]
    return {f"{call.method} {call.path}": status(connection, call) for call in filled}


def refused(found: dict[str, int]) -> set[str]:
    return {call for call, answer in found.items() if answer == 403}


def test_the_pipeline_can_run_jobs_and_release_a_model(namespaces: Namespaces) -> None:
    found = answers(namespaces, "pipeline-runner", PIPELINE)
    assert set(found.values()) <= {200, 404}, found  # 404: allowed, but there is none (Kueue, Argo, the pod `none`)
    missing = {call.rpartition("/namespaces/")[2].partition("/")[2] for call in found if found[call] == 404}
    assert missing == {"pods/none", "pods/none/log", "workloads", "localqueues/none", "workflows/none"}


def test_the_reaper_can_list_and_delete_jobs(namespaces: Namespaces) -> None:
    answers(namespaces, "pipeline-runner", CHANGE_JOBS)
    found = answers(namespaces, "platen-reap", REAP)
    assert set(found.values()) == {200}, found


@pytest.mark.parametrize(
    ("account", "calls"),
    [
        ("pipeline-runner", NEVER),
        ("platen-reap", [*NEVER, *READ_JOBS, *CHANGE_JOBS, *WATCH, *RELEASE]),
        ("platen-serve", [*NEVER, *PIPELINE]),
        ("platen-train", [*NEVER, *PIPELINE]),
        ("default", [*NEVER, *PIPELINE]),
    ],
)
def test_everything_else_is_refused(namespaces: Namespaces, account: str, calls: list[Call]) -> None:
    found = answers(namespaces, account, calls)
    assert len(found) == len(calls)
    assert set(found) - refused(found) == set()


@pytest.mark.parametrize(
    ("account", "kinds"),
    [
        (
            "pipeline-runner",
            {"deployments", "events", "pods", "pods/log", "pytorchjobs", "resourcequotas", "services"}
            | {"localqueues", "workflows", "workloads"},
        ),
        ("platen-reap", {"pytorchjobs"}),
        ("platen-serve", set()),
        ("platen-train", set()),
    ],
)
def test_the_api_server_knows_of_no_other_right(namespaces: Namespaces, account: str, kinds: set[str]) -> None:
    connection = as_account(namespaces.own, account)
    review = {"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answer = connection.call("POST", path, {**review, "spec": {"namespace": connection.namespace}})
    found = {kind for rule in answer["status"]["resourceRules"] for kind in rule["resources"]}
    assert {kind for kind in found if not kind.startswith("selfsubject")} == kinds
