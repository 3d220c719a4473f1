"""A training goes on where another number of ranks, at another ZeRO stage, has left it."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.stage import STAGE
from platen.core.stage import Folder, run_stage
from tests.components.train.small_run import commit, losses, settings, write_encoded
from tests.components.train.stage_process import start, stop, wait_for

pytestmark = pytest.mark.slow

CHOSEN: dict[str, Any] = {"global_batch": 12, "steps": 20}  # 12 is a number of samples for 1, 2 and 3 ranks
EPOCH = 4  # steps
PARTS: list[tuple[int, dict[str, Any], int]] = [  # ranks, ZeRO, the step after which they are stopped
    (2, {"stage": 3}, 4),
    (1, {"stage": 2}, 8),
    (3, {"stage": 3}, 12),
    (2, {"stage": 1}, 16),
    (2, {"stage": 3, "secondary_partition": 2}, 20),
]


@pytest.fixture(scope="module")
def four_batches(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """48 samples, so that an epoch is four whole steps."""
    return commit(partial(write_encoded, samples=48), tmp_path_factory.mktemp("inputs"), "encode", "encoded")


@pytest.fixture(scope="module")
def uninterrupted(four_batches: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    inputs = {"encoded": four_batches.uri, "base": base.uri}
    folder = str(tmp_path_factory.mktemp("uninterrupted"))
    return losses(run_stage(STAGE, settings(**CHOSEN), inputs, folder).folder)


def trained_on(record: Path) -> dict[int, Counter[int]]:
    """What each step trained on, over all ranks and attempts."""
    steps: dict[int, Counter[int]] = {}
    for line in record.read_text().splitlines():
        _, step, *indices = map(int, line.split())
        steps.setdefault(step, Counter()).update(indices)
    return steps


@pytest.mark.timeout(900)
def test_four_changes_of_world_size_and_stage_in_one_run(
    four_batches: Folder, base: Folder, uninterrupted: list[float], tmp_path: Path
) -> None:
    inputs = {"encoded": four_batches.uri, "base": base.uri}
    record = tmp_path / "record"
    env = {"PYTHONPATH": str(Path(__file__).parents[1] / "recorder"), "RECORDED": str(record)}
    said: list[str] = []
    for ranks, zero, until in PARTS:
        process = start(inputs, str(tmp_path / "ws"), env, **CHOSEN, ranks=ranks, zero=zero)
        said += wait_for(process, f"step {until} of 20")
        assert stop(process) == 143 if until < 20 else process.wait(300) == 0
    (model,) = (tmp_path / "ws" / "train").glob("[!.]*")
    assert json.loads((model / "history.json").read_bytes())["loss"] == pytest.approx(uninterrupted, rel=1e-4)
    steps = trained_on(record)
    assert sorted(steps) == list(range(20))
    for epoch in range(5):
        seen = sum((steps[step] for step in range(epoch * EPOCH, (epoch + 1) * EPOCH)), Counter())
        assert seen == Counter(range(48))
    told = [line for line in said if "resumed after step" in line]
    assert "written by 2 ranks at ZeRO stage 3, read by 1 at stage 2: weights, optimizer, average" in told[0]
    assert "written by 1 ranks at ZeRO stage 2, read by 3 at stage 3" in told[1]
    assert "written by 3 ranks at ZeRO stage 3, read by 2 at stage 1" in told[2]
    assert "written by 2 ranks at ZeRO stage 1, read by 2 at stage 3" in told[3]
