"""What is made of an API server's answers; tests/cluster/test_cluster.py asks a real one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from platen.core.errors import InputError
from platen.jobs.cluster import AwayError, RefusedError, connect, refusal
from tests.platen.jobs.api_server import Script, serving

GONE = {"message": 'pods "x" not found'}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between attempts time goes by without being waited for."""
    passed = [0.0]
    real = time.monotonic
    monkeypatch.setattr(time, "sleep", lambda seconds: passed.__setitem__(0, passed[0] + seconds))
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed[0])


def test_what_is_not_there_is_none_and_another_refusal_is_an_error_in_the_server_s_words() -> None:
    with serving(Script([(404, GONE), (403, {"message": "no"})])) as cluster:
        assert cluster.get("/api/v1/x") is None
        with pytest.raises(RefusedError, match=r"refused GET /api/v1/x: no; the rights .* manifests/base/rbac\.yaml"):
            cluster.get("/api/v1/x")


def test_a_list_that_is_not_there_is_empty_and_a_selector_is_sent() -> None:
    script = Script([(404, GONE), (200, {"items": [{"a": 1}]})])
    with serving(script) as cluster:
        assert cluster.items("/x") == []
        assert cluster.items("/x", labelSelector="a=b,c") == [{"a": 1}]
    assert script.asked[-1].path == "/x?labelSelector=a%3Db%2Cc"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_away_for_a_while_is_waited_for(status: int) -> None:
    script = Script([(status, "upgrading"), (status, ""), (200, {"a": 1})])
    with serving(script) as cluster:
        assert cluster.get("/x") == {"a": 1}
    assert len(script.asked) == 3


def test_one_that_stays_away_is_given_up_once_patience_ends() -> None:
    script = Script([(503, {"message": "down"})])
    with serving(script, patience=4.0) as cluster, pytest.raises(AwayError, match="down"):
        cluster.get("/x")
    assert 4 <= len(script.asked) <= 8, "pauses of 0.5, 1 and 2 s, or of half as long"


def test_a_refusal_that_no_waiting_helps_is_told_at_once() -> None:
    script = Script([(409, {"message": "taken"}), (200, {})])
    with serving(script) as cluster, pytest.raises(RefusedError) as caught:
        cluster.create("/x", {"kind": "Pod"})
    assert (caught.value.status, len(script.asked)) == (409, 1)


def test_nobody_listening_is_a_cluster_that_is_away() -> None:
    with serving(Script()) as cluster:
        pass
    with pytest.raises(AwayError, match=r"Kubernetes cannot be reached \(GET /x"):
        replace(cluster, patience=0.0).get("/x")


@pytest.mark.parametrize("status", [404, 409])
def test_what_is_deleted_already_or_bears_another_s_name_is_no_error(status: int) -> None:
    script = Script([(status, GONE)])
    with serving(script) as cluster:
        cluster.delete("/x", uid="u1")
    assert script.asked[0].body == {"propagationPolicy": "Background", "preconditions": {"uid": "u1"}}


def test_each_change_is_sent_as_what_it_is() -> None:
    script = Script()
    with serving(script) as cluster:
        cluster.apply("/x", {"a": 1})
        cluster.merge("/x", {"a": 1})
    applied, merged = script.asked
    assert (applied.method, applied.content) == ("PATCH", "application/apply-patch+yaml")
    assert applied.path == "/x?fieldManager=platen&force=true"
    assert (merged.content, merged.path) == ("application/merge-patch+json", "/x?fieldManager=platen")


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", '{"code": 1}', b"\xff"])
def test_an_answer_that_is_no_status_is_told_by_its_number(body: str | bytes | None) -> None:
    assert refusal("GET", "/x", 418, body) == "Kubernetes refused GET /x: status 418"


def kubeconfig(folder: Path, **context: str) -> Path:
    path = folder / "kubeconfig"
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "u", **context}}]
    known = {"clusters": [cluster], "contexts": contexts, "users": [{"name": "u", "user": {}}], "current-context": "x"}
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **known}))
    return path


@pytest.mark.parametrize(
    ("given", "variable", "context", "namespace"),
    [("a", "b", "c", "a"), (None, "b", "c", "b"), (None, None, "c", "c"), (None, None, None, "default")],
)
def test_the_namespace_is_the_one_that_is_said_last(
    given: str | None,
    variable: str | None,
    context: str | None,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("PLATEN_NAMESPACE", variable or "")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, **({"namespace": context} if context else {}))))
    assert connect(given).namespace == namespace


@pytest.mark.parametrize("text", [None, "", "a: [", "[]"])
def test_without_a_cluster_it_is_said_what_would_name_one(
    text: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if text is not None:
        (tmp_path / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(InputError, match=r"no Kubernetes cluster by .*/config: .* or KUBECONFIG=FILE"):
        connect()


def test_a_log_is_read_as_it_comes() -> None:
    with serving(Script([(200, "one\ntwo\n")])) as cluster:
        assert cluster.stream("/log").read() == b"one\ntwo\n"
