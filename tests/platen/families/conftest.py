from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def always_one_thread(one_thread: None) -> None:
    """See tests/conftest.py."""


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model of the family whose module a test file is named after."""
    family = importlib.import_module(f"platen.families.{request.path.stem.removeprefix('test_')}").FAMILY
    out = tmp_path_factory.mktemp(family.name) / "model"
    family.tiny(out, seed=3)
    return out
