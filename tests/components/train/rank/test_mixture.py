"""Real runs on pictures of two sizes from two sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.stage import STAGE
from platen.stage import Folder, run_stage
from tests.components.train.small_run import commit, losses, run, settings, write_encoded

pytestmark = pytest.mark.xdist_group("train")  # one rank a core

MIXED = {"steps": 8, "data": {"weights": {"photos": 3, "drawings": 1}}}


@pytest.fixture(scope="module")
def two_by_two(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return commit(
        lambda out: write_encoded(out, samples=40, shards=4, sizes=[(8, 8), (4, 16)], sources=["photos", "drawings"]),
        tmp_path_factory.mktemp("inputs"),
        "encode",
        "encoded",
    )


def test_two_ranks_lose_what_one_rank_loses(two_by_two: Folder, base: Folder, tmp_path: Path) -> None:
    inputs = {"encoded": two_by_two.uri, "base": base.uri}
    both = run_stage(STAGE, settings(**MIXED), inputs, str(tmp_path / "both")).folder
    alone = run(tmp_path / "alone", two_by_two, base, settings(**MIXED, ranks=1, micro_batch=4))
    assert losses(both) == pytest.approx(alone["losses"], rel=1e-3)
    assert len(set(losses(both))) == 8


def test_weights_make_another_training(two_by_two: Folder, base: Folder, tmp_path: Path) -> None:
    told = run(tmp_path / "mixed", two_by_two, base, settings(**MIXED, ranks=1))
    even = run(tmp_path / "even", two_by_two, base, settings(steps=8, ranks=1))
    assert told["losses"] != even["losses"]
