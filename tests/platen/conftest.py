from __future__ import annotations

import logging

import pytest

from platen.core.telemetry import log


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest hear Platen's log, also after a test that set up logging as a process does."""
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    monkeypatch.setattr(log, "level", logging.INFO)
