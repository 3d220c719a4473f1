from __future__ import annotations

from pathlib import Path

import pytest

from platen.stage import Folder
from tests.components.train.small_run import commit, run, settings, write_base, write_encoded


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(write_encoded, tmp_path_factory.mktemp("inputs"), "encode", "encoded")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(write_base, tmp_path_factory.mktemp("inputs"), "base", "model")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEN_SCRATCH", str(tmp_path / "scratch"))


@pytest.fixture(scope="session")
def two_ranks(encoded: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared folder of an uninterrupted run on two ranks."""
    shared = tmp_path_factory.mktemp("two-ranks")
    run(shared, encoded, base, settings())
    return shared
