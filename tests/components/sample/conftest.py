from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.sample.draw import draw
from platen.components.sample.settings import SampleSettings

SMALL = SampleSettings(pictures=48, faults=4, seed=3)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "small"
    draw(SMALL, folder)
    return folder
