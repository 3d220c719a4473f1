"""Kubeflow Pipelines to submit to, and the command as a user gives it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from platen.cli import main
from platen.core.telemetry import log
from platen.pipelines.backend import HOST, TOKEN, TOKEN_PATH, UI_HOST, Backend, connect
from platen.pipelines.cluster_settings import ClusterSettings
from platen.pipelines.tasks import Target
from tests.pipelines.compiled import write_compiled
from tests.pipelines.kfp_server import State, kfp_server

SETTINGS = (
    "{workspace: gs://bucket/ws, run: gs://bucket/runs, "
    "deploy: {deployment: {} }, generate: {prompts: gs://bucket/prompts.jsonl}, ingest: {folder: gs://bucket/pictures}}"
)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (HOST, UI_HOST, TOKEN, TOKEN_PATH, "KUBERNETES_SERVICE_HOST", "SSL_CERT_FILE", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # google.auth looks for a cloud's machine otherwise, for seconds


@pytest.fixture
def server() -> Iterator[tuple[str, State]]:
    with kfp_server() as (host, state):
        yield host, state


@pytest.fixture
def host(server: tuple[str, State]) -> str:
    return server[0]


@pytest.fixture
def state(server: tuple[str, State]) -> State:
    return server[1]


@pytest.fixture
def backend(host: str) -> Backend:
    return connect(host, patience=20)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled for a cluster with a volume at /workspace."""
    folder = tmp_path_factory.mktemp("compiled")
    write_compiled(folder, Target(cluster=ClusterSettings(volumes={"claim": "/workspace"})))
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def platen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code and what it printed."""

    for name in ("handlers", "propagate", "level"):  # the command sets them up anew, for the captured output
        monkeypatch.setattr(log, name, getattr(log, name))

    def command(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["platen", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        return Ended(int(caught.value.code or 0), printed.out, printed.err)

    return command


@pytest.fixture
def submit(platen: Command, host: str, compiled: Path, settings: Path) -> Command:
    """`platen submit` of the settings file to the server."""
    return lambda *more: platen("submit", "--settings", settings, "--compiled", compiled, "--host", host, *more)
