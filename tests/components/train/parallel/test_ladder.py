"""What ZeRO splits, and where it lies, changes nothing of what is learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platen.stage import Folder
from tests.components.train.small_run import losses, run, settings

pytestmark = [pytest.mark.xdist_group("train"), pytest.mark.slow]

LADDER: dict[str, dict[str, Any]] = {
    "0": {"stage": 0},
    "1": {"stage": 1},
    "2": {"stage": 2},
    "2 + CPU": {"stage": 2, "offload_optimizer": "cpu"},
    "3 + CPU": {"stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"},
    "3 hpZ": {"stage": 3, "secondary_partition": 2},
}


@pytest.mark.parametrize("zero", LADDER.values(), ids=LADDER)
def test_every_rung_loses_what_stage_3_loses(
    zero: dict[str, Any], two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    done = run(tmp_path, encoded, base, settings(zero=zero))
    assert done["losses"] == pytest.approx(losses(two_ranks), rel=1e-3)
    assert done["export_error"] < 1e-5
    assert done["zero"]["stage"] == zero["stage"]
    held = done["zero"]["parameters_per_rank"]
    assert sum(held) == done["zero"]["parameters"] * (2 if zero["stage"] == 0 else 1)
