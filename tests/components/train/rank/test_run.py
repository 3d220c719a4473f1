"""The losses of a small run are those that are written down: what changes them does so on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.core.stage import Folder
from tests.components.train.rank.write_golden import GOLDEN
from tests.components.train.small_run import losses, run, settings, weights

# CPUs of other makes add and multiply in another order, and so do other versions of torch: the last digits of fp32
# (6e-8) differ, and grow over the steps. What changes training itself shows in the second or third.
TOLERANCE = 1e-4
HOW = "if that is meant: .venv/bin/python -m tests.components.train.rank.write_golden, and say why in the change"


def test_the_losses_are_those_written_down(two_ranks: Folder) -> None:
    wanted = [float(line.split()[1]) for line in GOLDEN.read_text().splitlines()]
    found = losses(two_ranks)
    assert found == pytest.approx(wanted, rel=TOLERANCE), HOW


def test_deterministic_algorithms_give_the_same_model_on_cpus(
    two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    run(tmp_path, encoded, base, settings(deterministic=True))
    assert weights(tmp_path / "export") == weights(two_ranks.path)
