from __future__ import annotations

from typing import Any

import pytest

from platen.components.train.removed import REMOVED, instead_of
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build, fields_at


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"elasticity": {"enabled": True}},
            r"train: elasticity: DeepSpeed 0\.19 has removed it; instead: .*any number",
        ),
        ({"zero": {"mics_shard_size": 8}}, r"zero\.mics_shard_size: .*instead: zero\.secondary_partition"),
        ({"zero": {"zeropp_loco_param": {}}}, r"zero\.zeropp_loco_param: .*zero\.quantized_gradients"),
        (
            {"zero": {"quantized_weights": True}},
            r"zero\.quantized_weights: DeepSpeed 0\.19 asserts .*instead: zero\.",
        ),
        ({"checkpoints": {"nebula": True}}, r"checkpoints\.nebula: .*section checkpoints"),
        ({"amp": {"enabled": True}}, r"train: amp: .*precision: bf16"),
        ({"optimizer": {"kind": "OneBitAdam"}}, r"train\.optimizer\.kind: .*removed OneBitAdam; accepted: adamw"),
        ({"optimizer": {"kind": "1-bit LAMB"}}, r"removed 1-bit LAMB"),
        ({"optimizer": {"kind": "0/1 Adam"}}, r"removed 0/1 Adam"),
        ({"optimizer": {"kind": "AdamW8bit"}}, r"'AdamW8bit' keeps 8-bit numbers, which checkpoints do not hold"),
    ],
)
def test_what_is_not_there_is_refused_with_what_to_use_instead(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        build(TrainSettings, given, "run.yaml", "train")


def test_every_name_that_deepspeed_refuses_is_known() -> None:
    from deepspeed.runtime import config

    theirs = {*config._REMOVED_TOP_LEVEL_CONFIG_KEYS, *config._REMOVED_ZERO_CONFIG_KEYS}
    assert [name for name in theirs if instead_of(name) is None] == []


def test_what_is_named_instead_is_a_setting() -> None:
    named = {word.strip(":,") for text in REMOVED.values() for word in text.split() if "." in word}
    assert named == {"zero.quantized_gradients", "zero.secondary_partition"}
    for name in named:
        section, field = name.split(".")
        assert field in fields_at(TrainSettings, [section])


def test_a_pods_own_variables_are_not_meant() -> None:
    assert build(TrainSettings, {"job": {"env": {"AMP": "1"}}}).job is not None


def test_a_mistyped_name_is_still_a_mistyped_name() -> None:
    with pytest.raises(SettingsError, match=r"train\.zero\.stages: unknown setting. Accepted: stage \(did you mean"):
        build(TrainSettings, {"zero": {"stages": 2}}, "run.yaml", "train")
