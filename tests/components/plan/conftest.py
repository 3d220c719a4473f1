from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen.components.plan.profile import Activations, ModelFacts

TINY: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 32,
    "attention_head_dim": 2,
    "norm_num_groups": 4,
}
SMALL = {"ingest": {"folder": "x"}, "plan": {"model": "unet.json", "resolution": 64, "caption_tokens": 8}}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A UNet's config.json."""
    path = tmp_path / "unet.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture
def large() -> ModelFacts:
    """Facts as a model of 866 million parameters has them."""
    plain = Activations(((998_510_464, 0),), 2_408_741_109_760)
    checkpointed = Activations(((246_912_000, 0),), 3_004_764_979_200)
    return ModelFacts(865_910_724, 49_164_800, 64, 190_464, plain, checkpointed)
