from __future__ import annotations

import functools

import pytest

from platen.core.stage import Folder
from tests.components.train.small_run import commit, write_encoded

WIDTH = 32  # of the tiny model's text encoder


@pytest.fixture(scope="session")
def embeddings(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Samples encoded for the tiny model."""
    write = functools.partial(write_encoded, width=WIDTH)
    return commit(write, tmp_path_factory.mktemp("inputs"), "encode", "encoded")


@pytest.fixture(scope="session")
def token_ids(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Samples whose captions are token ids."""
    write = functools.partial(write_encoded, width=None)
    return commit(write, tmp_path_factory.mktemp("inputs"), "encode", "encoded")
