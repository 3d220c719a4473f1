from __future__ import annotations

import logging
from pathlib import Path

import pytest

from platen.components.notify.evidence import Evidence, gather
from platen.components.notify.summary import Summary, load_truth, summarise
from platen.core.telemetry import log
from tests.components.notify.a_run import run_chain


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest hear Platen's log, also after a test that set up logging as a process does."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "level", logging.INFO)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """A run that went through: (settings, workspace, run). Made once a session: read it, do not write into it."""
    return run_chain(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def evidence(whole_run: tuple[str, str, str]) -> Evidence:
    _, workspace, run = whole_run
    return gather(run, workspace)


@pytest.fixture(scope="session")
def summary(whole_run: tuple[str, str, str], evidence: Evidence) -> Summary:
    truth = load_truth(str(Path(whole_run[1]).parent / "truth.json"))
    return summarise(evidence, truth, "SUCCEEDED", "", "/runs/demo/report.html")
