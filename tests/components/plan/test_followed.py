from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from platen.components.plan.followed import FOLLOWED, followed_profile
from platen.components.plan.profile import profile
from tests.components.plan.write_followed import MODELS, default_config

# as the file of Stable Diffusion 1.5 has it
SD15: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
PLANNED = """
import json, sys
from platen.components.plan.known import ProfileSettings, known_profile
facts = known_profile(ProfileSettings(config=json.loads(sys.argv[1]), side=64, tokens=77, precision="bf16"), "gone")
print(facts.parameters, "torch" in sys.modules)
"""


def test_a_published_model_is_planned_for_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PLANNED, json.dumps(SD15)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["859520964", "False"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_what_comes_along_is_what_following_gives(name: str) -> None:
    """Run `python -m tests.components.plan.write_followed` where the libraries have changed."""
    config = {"_class_name": "UNet2DConditionModel", **MODELS[name]}
    assert followed_profile(config, 64, 77, "bf16") == profile(config, 64, 77, "bf16")


def test_what_a_configuration_may_leave_out_is_what_diffusers_has() -> None:
    assert json.loads(json.dumps(default_config())) == json.loads(FOLLOWED.read_bytes())["defaults"]


@pytest.mark.parametrize(
    ("changes", "side", "tokens"),
    [({"layers_per_block": 3}, 64, 77), ({}, 40, 77), ({}, 64, 78)],
    ids=["another_model", "another_size", "longer_captions"],
)
def test_anything_else_is_not_taken_for_it(changes: dict[str, Any], side: int, tokens: int) -> None:
    assert followed_profile({**SD15, **changes}, side, tokens, "bf16") is None
