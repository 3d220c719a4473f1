from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.gpu.shapes import SHAPES
from bench.gpu.world import World, train_settings
from platen.artifacts.encoded import EncodedDataset
from platen.artifacts.model import ModelRecord
from platen.families.registry import family_of


@pytest.mark.parametrize("name", SHAPES["tiny"])
def test_folders_are_what_stages_read(name: str, tmp_path: Path) -> None:
    world = World(tmp_path, "tiny", name)
    base, encoded = world.base(), world.encoded()
    family, shape = family_of(base.path), world.shape
    family.check(base.path)
    family.check_weights(base.path)
    record = ModelRecord.read(base.path)
    assert record is not None
    assert record.resolution == (shape.resolution, shape.resolution)
    data = EncodedDataset(encoded.path)
    assert data.record.family == family.name
    sample = data.read(np.arange(2))
    assert sample["latents"].shape == (2, 4, shape.side, shape.side)  # type: ignore[union-attr]
    assert world.base().uri == base.uri


def test_a_changed_section_leaves_the_rest() -> None:
    settings = train_settings(SHAPES["tiny"]["sd"], {"zero": {"stage": 2}, "compile": True})
    assert (settings.zero.stage, settings.compile, settings.ranks, settings.precision) == (2, True, 1, "bf16")
    assert settings.steps % settings.log_every == 0
