from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from platen.components.plan.known import PROFILE, ProfileSettings, known_profile
from platen.components.plan.profile import profile
from platen.core.errors import InputError
from tests.components.plan.conftest import TINY

SETTINGS = ProfileSettings(config=TINY, side=16, tokens=8, precision="bf16")
AGAIN = """
import json, sys
from platen.components.plan.known import ProfileSettings, known_profile
print(known_profile(ProfileSettings(**json.loads(sys.argv[1])), sys.argv[2]).parameters, "torch" in sys.modules)
"""


def test_a_model_is_followed_once_in_a_workspace(tmp_path: Path) -> None:
    facts = known_profile(SETTINGS, str(tmp_path))
    assert facts == profile(TINY, 16, 8, "bf16")
    told = [sys.executable, "-c", AGAIN, SETTINGS.model_dump_json(), str(tmp_path)]
    again = subprocess.run(told, capture_output=True, text=True, check=True)
    assert again.stdout.split() == [str(facts.parameters), "False"]


def test_another_precision_and_another_model_are_other_profiles(tmp_path: Path) -> None:
    for changes in ({}, {"precision": "fp32"}, {"config": {**TINY, "layers_per_block": 2}}):
        known_profile(SETTINGS.model_copy(update=changes), str(tmp_path))
    told = [json.loads(path.read_bytes()) for path in tmp_path.glob(f"profile/*/{PROFILE}")]
    assert len(told) == 3
    assert len({profile["parameters"] for profile in told}) == 2


def test_a_model_that_cannot_be_planned_for_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"latents of 9 x 9: accepted: multiples of 2"):
        known_profile(SETTINGS.model_copy(update={"side": 9}), str(tmp_path))
    assert not list(tmp_path.glob("profile/[0-9a-f]*"))
