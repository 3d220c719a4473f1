from __future__ import annotations

from pathlib import Path

import pytest

from tests.components.train.small_run import run, settings, write_base, write_encoded


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoded")
    write_encoded(folder)
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_base(folder)
    return folder


@pytest.fixture(scope="session")
def two_ranks(encoded: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an uninterrupted run on two ranks."""
    work = tmp_path_factory.mktemp("two-ranks")
    run(work, encoded, base, settings())
    return work
