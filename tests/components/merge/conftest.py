"""What the tests of merge share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from platen.artifacts.dataset import Drop, Sample
from platen.components.clean_images.settings import CleanImagesSettings
from platen.components.clean_images.stage import STAGE as CLEAN_IMAGES
from platen.components.clean_text.settings import CleanTextSettings
from platen.components.clean_text.stage import STAGE as CLEAN_TEXT
from platen.core.stage import Folder, run_stage
from tests.tiny_dataset import commit_raw

Prepare = Callable[..., dict[str, Folder]]


@pytest.fixture
def prepare() -> Prepare:
    """Commit raw shards and clean them, as the two stages before do: the inputs of merge by name."""

    def run(workspace: Path, shards: Sequence[Sequence[Sample]], drops: Sequence[Drop] = ()) -> dict[str, Folder]:
        return cleaned(commit_raw(str(workspace), shards, drops), str(workspace))

    return run


def cleaned(raw: Folder, workspace: str) -> dict[str, Folder]:
    """What the two cleaning stages make of a data set: the inputs of merge by name."""
    images = CleanImagesSettings(resolution=32, min_side=16, max_pixels=100_000, format="png")
    return {
        "dataset": raw,
        "texts": run_stage(CLEAN_TEXT, CleanTextSettings(), {"dataset": raw.uri}, workspace).folder,
        "images": run_stage(CLEAN_IMAGES, images, {"dataset": raw.uri}, workspace).folder,
    }
