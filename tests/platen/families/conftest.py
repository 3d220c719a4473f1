from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: on models this small more only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model of the family whose module a test file is named after."""
    family = importlib.import_module(f"platen.families.{request.path.stem.removeprefix('test_')}").FAMILY
    out = tmp_path_factory.mktemp(family.name) / "model"
    family.tiny(out, seed=3)
    return out
