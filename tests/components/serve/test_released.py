"""Which model a server takes, and what it does in a pod that has none yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import pytest

from platen.artifacts import releases
from platen.components.serve.released import find_model
from platen.core.errors import CorruptError, InputError
from platen.core.stage import Folder
from tests.components.serve.conftest import StartServer

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}  # as the kubelet sets it


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set a pod's environment."""

    def set_up(**environment: str) -> None:
        for name, value in {**POD, **environment}.items():
            monkeypatch.setenv(name, value)

    return set_up


def test_what_is_live_in_a_workspace_is_found(tiny_model: Folder, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model is live here yet"):
        find_model(None, str(tmp_path))
    releases.promote(str(tmp_path), tiny_model.uri, tiny_model.digest, "evaluate/x")
    found = find_model(None, str(tmp_path))
    assert found is not None
    assert found.digest == tiny_model.digest


@pytest.mark.parametrize("find", [lambda: find_model(None, None), lambda: find_model("/nowhere/train/x", None)])
def test_nothing_to_serve_says_what_is_missing(find: Callable[[], Folder]) -> None:
    with pytest.raises(InputError, match=r"Accepted: --model|nothing committed here"):
        find()


def test_the_model_set_on_the_pod_is_found(pod: Callable[..., None], tiny_model: Folder) -> None:
    pod(PLATEN_MODEL=tiny_model.uri, PLATEN_MODEL_DIGEST=tiny_model.digest)
    assert find_model(None, None) == tiny_model
    workspace, stage, name = tiny_model.uri.rsplit("/", 2)
    pod(PLATEN_MODEL=f"{stage}/{name}", PLATEN_WORKSPACE=workspace)
    assert find_model(None, None) == tiny_model


def test_half_a_release_on_the_pod_is_refused(pod: Callable[..., None], tiny_model: Folder) -> None:
    pod(PLATEN_MODEL=tiny_model.uri)
    with pytest.raises(InputError, match="only one of PLATEN_MODEL and PLATEN_MODEL_DIGEST is set"):
        find_model(None, None)


def test_a_pod_whose_digest_is_another_names_both(pod: Callable[..., None], tiny_model: Folder) -> None:
    pod(PLATEN_MODEL=tiny_model.uri, PLATEN_MODEL_DIGEST="f" * 64)
    with pytest.raises(CorruptError, match=f"has the digest {tiny_model.digest}; PLATEN_MODEL_DIGEST says ffff"):
        find_model(None, None)


def test_a_pod_with_another_digest_ends_before_it_listens(start_server: StartServer, tiny_model: Folder) -> None:
    env = {**POD, "PLATEN_MODEL": tiny_model.uri, "PLATEN_MODEL_DIGEST": "f" * 64}
    server = start_server(ready=False, env=env)
    assert "PLATEN_MODEL_DIGEST says ffff" in server.last_words()
    assert (server.process.returncode, server.url) == (2, "")


def test_a_pod_without_a_model_is_well_and_says_what_it_waits_for(start_server: StartServer) -> None:
    server = start_server(ready=False, env=POD)
    server.wait_for(lambda: bool(server.url))
    health, ready, models = (httpx.get(f"{server.url}/{name}") for name in ("healthz", "readyz", "v1/models"))
    assert (health.status_code, ready.status_code, models.json()["data"]) == (200, 503, [])
    assert ready.json() == {"state": "empty", "message": "no model has been released yet"}
    assert server.metric("platen_ready") == 0
    with pytest.raises(openai.InternalServerError) as caught:
        server.client().images.generate(prompt="a red circle")
    assert (caught.value.status_code, caught.value.code) == (503, "no_model")
    assert server.terminate() == 0
    assert not server.log.exists()
