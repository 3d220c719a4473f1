"""Real runs on pictures of two sizes from two sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.stage import STAGE
from platen.core.stage import Folder, run_stage
from tests.components.train.small_run import commit, losses, run, settings, write_encoded

MIXED = {"steps": 8, "data": {"weights": {"photos": 3, "drawings": 1}}}


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(
        lambda out: write_encoded(out, samples=40, shards=4, sizes=[(8, 8), (4, 16)], sources=["photos", "drawings"]),
        tmp_path_factory.mktemp("inputs"),
        "encode",
        "encoded",
    )


@pytest.fixture(scope="module")
def alone(two_by_two: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of one rank."""
    chosen = settings(**MIXED, ranks=1, micro_batch=4)
    return list(run(tmp_path_factory.mktemp("alone") / "shared", two_by_two, base, chosen)["losses"])


def test_two_ranks_lose_what_one_rank_loses(
    two_by_two: Folder, base: Folder, alone: list[float], tmp_path: Path
) -> None:
    inputs = {"encoded": two_by_two.uri, "base": base.uri}
    both = run_stage(STAGE, settings(**MIXED), inputs, str(tmp_path / "both")).folder
    assert losses(both) == pytest.approx(alone, rel=1e-3)
    assert len(set(losses(both))) == 8


def test_weights_make_another_training(two_by_two: Folder, base: Folder, alone: list[float], tmp_path: Path) -> None:
    even = run(tmp_path / "even", two_by_two, base, settings(steps=8, ranks=1, micro_batch=4))
    assert even["losses"] != alone
