"""What an uninterrupted run of two ranks says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platen.core.stage import Folder
from tests.components.train.measure.events import read_scalars
from tests.components.train.small_run import losses


@pytest.fixture
def told(two_ranks: Folder) -> dict[str, Any]:
    return dict(json.loads((two_ranks.path / "run.json").read_bytes()))


@pytest.fixture
def measured(told: dict[str, Any]) -> dict[str, Any]:
    return dict(told["measured"])


def test_time_is_told_by_part_and_by_what_became_of_it(measured: dict[str, Any]) -> None:
    seconds = measured["seconds"]
    wall = seconds.pop("wall")
    assert sum(measured["shares"].values()) == pytest.approx(1)
    assert all(share > 0 for share in measured["shares"].values())
    assert sum(seconds.values()) == pytest.approx(wall)
    assert (measured["attempts"], seconds["lost"], seconds["between"]) == (1, 0, 0)
    assert measured["goodput"] == pytest.approx(seconds["useful"] / wall)


def test_memory_is_that_of_the_parameters_that_a_rank_holds(told: dict[str, Any], measured: dict[str, Any]) -> None:
    memory, held = measured["memory_bytes"], 4 * max(told["zero"]["parameters_per_rank"])
    assert memory["parameters"] == pytest.approx(held, rel=0.01)
    assert memory["ema"] == memory["parameters"]
    assert memory["optimizer"] == pytest.approx(3 * held, rel=0.01)  # fp32 weights and two moments
    assert memory["activations"] > 0


def test_the_arithmetic_is_held_against_the_devices_peak(measured: dict[str, Any]) -> None:
    assert 0 < measured["mfu"] < 1
    assert measured["cost_usd"] is None, "no price was given"


def test_tensorboard_has_the_loss_of_every_step(two_ranks: Folder) -> None:
    workspace = Path(two_ranks.uri).parents[1]
    scalars = read_scalars(workspace / "measured")
    assert scalars["train/loss"] == {
        step: pytest.approx(loss, rel=1e-4) for step, loss in enumerate(losses(two_ranks), 1)
    }
    assert scalars["speed/samples_per_second"].keys() == {4, 8, 12, 16, 20}


def test_none_of_it_is_in_the_manifest(two_ranks: Folder) -> None:
    assert "measured" not in two_ranks.manifest.facts
    assert not [file for file in two_ranks.manifest.files if "measured" in file.path or "events" in file.path]
