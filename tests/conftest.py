"""What tests of several stages share."""

from __future__ import annotations

import pytest

from platen.stage import Folder
from tests.tiny_model import commit_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A committed model folder, made once a session: read it, do not write into it. See tests/tiny_model.py."""
    return commit_tiny_model(str(tmp_path_factory.mktemp("tiny")))
