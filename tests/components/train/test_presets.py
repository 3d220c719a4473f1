from __future__ import annotations

from typing import Any

import pytest
import yaml

from platen.components.train.job import Job, encode
from platen.components.train.presets import PRESETS, preset_text
from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build, everything

NODES: dict[str, Any] = {
    "ranks": 16,
    "micro_batch": 4,
    "job": {"nodes": 2, "processes_per_node": 8, "gpu": "nvidia.com/gpu"},
}
FITS: dict[str, dict[str, Any]] = {
    "one-gpu": {},
    "one-node": {"ranks": 8},
    "many-nodes": NODES,
    "slow-network": NODES,
    "offload": {"ranks": 1},
}


def with_preset(name: str, **more: Any) -> TrainSettings:
    return build(TrainSettings, {"preset": name, **more}, "run.yaml", "train")


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_prints_is_what_it_sets(name: str) -> None:
    printed = yaml.safe_load(preset_text(name))["train"]
    assert with_preset(name, **FITS[name]) == build(TrainSettings, {**FITS[name], **printed, "preset": name})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_does_not_change_the_model(name: str) -> None:
    assert with_preset(name, **FITS[name]).model_dump(mode="json") == TrainSettings().model_dump(mode="json")


@pytest.mark.parametrize("name", ["one-node", "offload"])
def test_a_preset_that_a_file_with_every_field_leaves_nothing_of_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"preset {name} changes nothing, with .*zero\..* beside it"):
        build(TrainSettings, {**everything(TrainSettings()), "preset": name}, "run.yaml", "train")


def test_all_fields_of_a_preset_with_its_name_are_that_preset() -> None:
    chosen = with_preset("offload", ranks=1)
    assert build(TrainSettings, everything(chosen)) == chosen


def test_ranks_get_the_fields_and_not_the_name() -> None:
    job = Job(settings=with_preset("slow-network", **NODES), encoded="e", base="b", shared="s", records="r")
    again = Job.model_validate_json(encode(job)).settings
    assert (again.preset, again.job) == (None, None)
    assert again.zero == job.settings.zero
    assert again.zero.secondary_partition == 8


def test_what_is_set_has_the_last_word() -> None:
    assert with_preset("offload", gradient_checkpointing=False).gradient_checkpointing is False
    mine = with_preset("slow-network", **NODES, zero={"quantized_gradients": False}).zero
    assert (mine.secondary_partition, mine.quantized_gradients) == (8, False)


def test_another_stage_leaves_the_presets_options_of_zero_away() -> None:
    zero = with_preset("many-nodes", **NODES, zero={"stage": 1}).zero
    assert (zero.stage, zero.secondary_partition) == (1, 1)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("one-gpu", {"ranks": 2}, "preset one-gpu is for one rank, not ranks 2"),
        ("one-node", {"ranks": 1}, "preset one-node is for one node, not ranks 1"),
        ("one-node", NODES, r"preset one-node is for one node, not job\.nodes 2"),
        ("many-nodes", {"ranks": 1}, "preset many-nodes is for many nodes, not ranks 1"),
        ("many-nodes", {}, r"preset many-nodes is for many nodes, not this machine alone \(job is null\)"),
        ("slow-network", {"job": {"nodes": 1, "processes_per_node": 2}}, r"for many nodes, not job\.nodes 1"),
        ("slow-network", {"job": {}}, r"zero\.quantized_gradients true needs GPUs, and job\.gpu is null"),
        ("two-gpus", {}, r"train\.preset: 'two-gpus'.*Accepted: one-gpu, one-node"),
    ],
)
def test_a_preset_that_contradicts_is_refused(name: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        with_preset(name, **given)
