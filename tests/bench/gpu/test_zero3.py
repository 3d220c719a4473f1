from __future__ import annotations

import pytest

from bench.gpu.shapes import SHAPES
from bench.gpu.world import Training
from bench.gpu.zero3 import MIB, memory, planned, speed
from platen.components.plan.memory import Memory

SHAPE = SHAPES["tiny"]["flux"]
NOTHING = dict.fromkeys(Memory.__dataclass_fields__, 0)


def training(mfu: float | None, memory: dict[str, int]) -> Training:
    return Training(parameters=5, rate=2.0, first_window=3.0, mfu=mfu, memory=memory)


@pytest.mark.parametrize(("bytes_planned", "error", "met"), [(108, 0.08, True), (85, 0.15, False), (115, 0.15, False)])
def test_memory_is_judged_on_both_sides_of_the_plan(bytes_planned: int, error: float, met: bool) -> None:
    plan = Memory(**{**NOTHING, "parameters": bytes_planned * MIB, "saving": 7 * MIB})
    row = memory(SHAPE, training(None, {"parameters": 60 * MIB, "activations": 40 * MIB}), plan)
    assert row.ratio == pytest.approx(error)
    assert row.met is met
    assert row.parts["planned, MiB"] == bytes_planned  # a checkpoint's copy is on the host


def test_a_device_whose_peak_is_not_known_has_no_mfu() -> None:
    _, row = speed(SHAPE, training(None, {}))
    assert row.ratio is None
    assert "not in the table of peaks" in row.how


@pytest.mark.parametrize("name", SHAPES["full"])
def test_the_planner_knows_the_full_models(name: str) -> None:
    """Both fit a GPU of 24 GB with a tenth to spare."""
    plan = planned(SHAPES["full"][name])
    assert 3 * 2**30 < plan.device < 21 * 2**30
