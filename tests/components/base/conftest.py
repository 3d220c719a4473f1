from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.core.stage import Folder


@pytest.fixture
def given(tiny_model: Folder, tmp_path: Path) -> Path:
    """A model of the user's own, which may be changed."""
    return Path(shutil.copytree(tiny_model.path, tmp_path / "given"))
