"""What tests of several stages share."""

from __future__ import annotations

import hypothesis
import pytest

from platen.stage import Folder
from tests.tiny_model import commit_tiny_model

hypothesis.settings.register_profile("platen", deadline=None)  # how long a machine takes is not a fault of the code
hypothesis.settings.load_profile("platen")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A committed model folder, made once a session: read it, do not write into it. See tests/tiny_model.py."""
    return commit_tiny_model(str(tmp_path_factory.mktemp("tiny")))
