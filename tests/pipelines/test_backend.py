"""Connecting to Kubeflow Pipelines: credentials, and what is said where it does not work."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.errors import ClusterError, InputError
from platen.pipelines.backend import connect
from platen.pipelines.follow import look
from tests.pipelines.conftest import Command
from tests.pipelines.kfp_server import DROP, State

SECRET = "s3cret-t0ken"


@pytest.fixture
def token_file(tmp_path: Path, state: State) -> Path:
    """A file with the token that the server wants."""
    state.token = SECRET
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


def sent(state: State) -> set[str | None]:
    return {request.authorization for request in state.requests}


def test_a_token_from_a_file(submit: Command, state: State, token_file: Path) -> None:
    assert submit("--token-file", token_file).code == 0
    assert sent(state) == {f"Bearer {SECRET}"}


def test_a_token_from_the_environment(submit: Command, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.token = SECRET
    monkeypatch.setenv("KFP_EXISTING_TOKEN", SECRET)
    assert submit().code == 0
    assert sent(state) == {f"Bearer {SECRET}"}


def test_a_service_account_s_token_as_kfp_mounts_it(
    submit: Command, state: State, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token_file))
    assert submit().code == 0
    assert sent(state) == {f"Bearer {SECRET}"}


def test_without_a_token_none_is_sent(submit: Command, state: State) -> None:
    assert submit().code == 0
    assert sent(state) == {None}


def test_a_token_file_is_read_again_for_every_request(host: str, state: State, token_file: Path) -> None:
    backend = connect(host, token_file=token_file)
    state.token = "renewed"
    token_file.write_text("renewed")
    with pytest.raises(InputError, match="has no such run"):
        look(backend, "11111111-1111-1111-1111-111111111111")
    token_file.unlink()
    with pytest.raises(InputError, match=r"token: No such file"):
        look(backend, "11111111-1111-1111-1111-111111111111")


@pytest.mark.parametrize("content", [None, "", "two words", "tökén"], ids=["no_file", "empty", "words", "no_ascii"])
def test_a_file_without_a_token_is_refused(submit: Command, state: State, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    ended = submit("--token-file", path)
    assert (ended.code, state.requests) == (2, [])
    assert str(path) in ended.err and "bearer token" in ended.err


def test_a_wrong_token_is_told_and_not_shown(submit: Command, state: State, token_file: Path) -> None:
    state.token = "another"
    ended = submit("--token-file", token_file)
    assert ended.code == 2
    assert "refused (status 401)" in ended.err and "Accepted: a valid token, in --token-file" in ended.err
    assert SECRET not in ended.out + ended.err


def test_a_token_is_in_no_output(
    submit: Command, state: State, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEN_LOG", "json")
    state.fail("POST /runs", 503)
    state.fail("GET /runs", 500)
    state.fail("GET /runs/.*", DROP, times=4)
    state.looks[0].state = "FAILED"
    ended = submit("--token-file", token_file, "--wait")
    assert ended.code == 1
    assert "trying again" in ended.err
    assert SECRET not in ended.out + ended.err


def test_a_namespace_without_rights_is_told(submit: Command, state: State) -> None:
    state.multi_user, state.forbidden = True, {"jo"}
    ended = submit("--namespace", "jo")
    assert (ended.code, state.runs) == (2, {})
    assert "not authorized in namespace jo. Accepted: a namespace (--namespace) in which" in ended.err


def test_a_login_page_is_not_taken_for_the_api(submit: Command, state: State) -> None:
    state.login_page = True
    ended = submit()
    assert ended.code == 2
    assert "what answers is not Kubeflow Pipelines, perhaps a login page" in ended.err


def test_a_host_that_cannot_be_reached_is_told_at_once(submit: Command) -> None:
    ended = submit("--host", "http://127.0.0.1:1")
    assert ended.code == 1
    assert "http://127.0.0.1:1 cannot be reached" in ended.err and "kubectl port-forward" in ended.err
    assert "Retrying" not in ended.err and "Traceback" not in ended.err


def test_a_server_that_hangs_up_is_told(host: str, state: State) -> None:
    state.fail("GET /healthz", DROP, times=4)
    with pytest.raises(ClusterError, match="cannot be reached"):
        connect(host)


@pytest.mark.parametrize(
    "host", ["", "kubeflow.example.com", "https://kubeflow.example.com/pipeline/#/runs", "https://k/_/pipeline/?ns=jo"]
)
def test_what_is_no_address_is_refused(submit: Command, state: State, host: str) -> None:
    ended = submit("--host", host)
    assert (ended.code, state.requests) == (2, [])
    assert "--host" in ended.err


def test_the_address_may_come_from_the_environment(
    platen: Command, state: State, host: str, settings: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", host)
    assert platen("submit", "--settings", settings, "--compiled", compiled).code == 0
    assert len(state.runs) == 1
