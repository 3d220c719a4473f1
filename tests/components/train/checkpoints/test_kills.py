"""Ranks killed with -9 at random times, over and over: training ends as it does undisturbed.

KILLS=50 KILLS_SEED=1 pytest tests/components/train/checkpoints/test_kills.py    (make soak)
"""

from __future__ import annotations

import json
import os
import random
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from platen.core.manifest import sha256_of
from platen.core.stage import Folder
from tests.components.train.nodes import Worker, start_nodes
from tests.components.train.small_run import job, result, run, settings, weights

pytestmark = [
    pytest.mark.soak("test_worker and test_trainer kill at chosen moments, this one at random"),
    pytest.mark.slow,
    pytest.mark.timeout(3600),
]

KILLS = int(os.environ.get("KILLS", "3"))
SEED = int(os.environ.get("KILLS_SEED", "0"))
A_RUN = 10  # kills, at most
CHOSEN = settings(steps=40, checkpoints={"every": 3, "keep_last": 3}, log_every=1)


@pytest.fixture(scope="module")
def undisturbed(encoded: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of a training that nothing happened to."""
    place = tmp_path_factory.mktemp("undisturbed")
    run(place, encoded, base, CHOSEN)
    return place


def test_random_kills(encoded: Folder, base: Folder, undisturbed: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    kills, finished = 0, 0
    spoilt: set[Path] = set()
    while kills < KILLS:
        place = tmp_path / f"run-{finished}"
        place.mkdir()
        uri = job(place, encoded, base, CHOSEN)
        for _ in range(min(A_RUN, KILLS - kills)):
            disturb(start_nodes(uri, place), chance)
            kills += 1
            assert_only_whole_ones_count(place, spoilt)
            if chance.random() < 0.3:
                spoilt |= spoil_the_newest(place, chance)
            if (place / "result.json").exists():
                break
        assert [node.end() for node in start_nodes(uri, place)] == [0, 0]
        assert result(place)["losses"] == pytest.approx(result(undisturbed)["losses"], rel=1e-4)
        assert weights(place / "export") == weights(undisturbed / "export")
        finished += 1
    print(f"{kills} kills in {finished} trainings of {CHOSEN.steps} steps, seed {SEED}: all ended as undisturbed")  # noqa: T201


def disturb(nodes: list[Worker], chance: random.Random) -> None:
    """Kill one rank, or the process of a node that has none yet; the other node ends by itself."""
    if chance.random() < 0.8:
        wait_for_a_step(nodes)
    time.sleep(chance.uniform(0, 6))
    victim = nodes[chance.randrange(2)]
    with suppress(psutil.NoSuchProcess):  # training was faster
        (victim.ranks() or [victim.process])[0].kill()
    if not any("train: step" in node.text for node in nodes):  # one whose peer never comes is ended by who started it
        with suppress(psutil.NoSuchProcess):  # it has noticed already
            nodes[1 - nodes.index(victim)].process.terminate()
    codes = [node.end() for node in nodes]
    assert all(code in (0, -9) or code > 128 for code in codes), [node.text[-3000:] for node in nodes]


def wait_for_a_step(nodes: list[Worker]) -> None:
    """Until training goes on, or is over."""
    while not any("train: step" in node.text for node in nodes) and all(node.process.poll() is None for node in nodes):
        time.sleep(0.05)


def assert_only_whole_ones_count(place: Path, spoilt: set[Path]) -> None:
    """Each checkpoint that has an index is what the index says, but for those that were spoilt since."""
    for index in {*place.glob("checkpoints/*/checkpoint.json")} - spoilt:
        for file in json.loads(index.read_bytes())["files"]:
            assert sha256_of(index.parent / file["path"]) == file["sha256"], f"{index}: {file['path']}"


def spoil_the_newest(place: Path, chance: random.Random) -> set[Path]:
    """Cut the end off a file of the newest checkpoint; its index, where there is one."""
    newest = sorted(place.glob("checkpoints/*/checkpoint.json"))[-1:]
    for index in newest:
        path = chance.choice(sorted(index.parent.rglob("*.*")))
        path.write_bytes(path.read_bytes()[:-1])
    return set(newest)
