"""What a node knows of itself, and what it makes of how its ranks ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platen.components.train.job import read_job
from platen.components.train.node.worker import Node, exit_code, fetch, most_telling, node_folder, run_node
from platen.core.errors import CorruptError, InputError
from platen.core.stage import Folder
from tests.components.train.small_run import job, settings

ALONE, PAIR = Node(1, 0, 2), Node(2, 1, 4, ("train-master-0", "23456"))


def test_a_node_is_what_the_operator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"NNODES": 2, "NODE_RANK": 1, "NPROC_PER_NODE": 4, "MASTER_ADDR": "train-master-0", "MASTER_PORT": 23456}
    for name, value in told.items():
        monkeypatch.setenv(f"PET_{name}", str(value))
    assert Node.from_environment() == PAIR
    monkeypatch.setenv("PET_NPROC_PER_NODE", "auto")
    with pytest.raises(InputError, match=r"which node.*'auto'.*PET_NPROC_PER_NODE"):
        Node.from_environment()
    monkeypatch.delenv("PET_NODE_RANK")
    with pytest.raises(InputError, match="'PET_NODE_RANK'"):
        Node.from_environment()


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([-9, 141], 137),  # a killed rank and one that lost it
        ([141, -15], 141),  # one that lost a peer elsewhere, and one that torchrun ended
        ([-7, 1], 135),  # what a rank says after another one was killed may be wrong
        ([1, 141, -15], 1),
        ([2, 141, -9], 2),
        ([143, 143], 143),
        ([152, 152], 152),
        ([152, -15], 152),  # one that torchrun ended after the other
        ([-15, -15], 143),  # told to stop before there was anything to save
        ([-6, -11], 134),
    ],
)
def test_the_exit_code_is_that_of_the_rank_to_blame(codes: list[int], code: int, tmp_path: Path) -> None:
    assert most_telling(codes) == code
    report = tmp_path / "report.json"
    report.write_text(json.dumps(dict(enumerate(codes))))
    assert exit_code(1, report, PAIR, told=False) == code


def test_exit_codes_where_no_rank_was_reported(tmp_path: Path) -> None:
    none = tmp_path / "report.json"
    assert exit_code(0, none, PAIR, told=False) == 0
    assert exit_code(-9, none, PAIR, told=False) == 137
    assert exit_code(1, none, PAIR, told=False) == 141  # the nodes did not find each other
    assert exit_code(1, none, ALONE, told=False) == 1
    assert exit_code(-15, none, PAIR, told=True) == 143


def test_what_a_killed_attempt_left_on_the_node_is_gone(scratch: Path) -> None:
    with node_folder("gs://bucket/train/.12ab", 1) as desk:
        assert desk.parent == scratch
        (desk / "rank-0").mkdir()
        left = desk
    assert not left.exists()
    (left / "rank-0").mkdir(parents=True)
    with node_folder("gs://bucket/train/.12ab", 1) as desk:
        assert desk == left
        assert not list(desk.iterdir())
    with node_folder("gs://bucket/train/.12ab", 0) as other:
        assert other != left


def test_inputs_other_than_the_jobs_are_refused(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    written = read_job(job(tmp_path, encoded, base, settings()))
    assert fetch(written, "base") == str(base.path)
    written.digests["base"] = "0" * 64
    with pytest.raises(CorruptError, match=rf"{base.uri}: digest {base.digest}; the job was written for 0000"):
        fetch(written, "base")


def test_nodes_that_are_not_the_ranks_of_the_settings_are_refused(
    encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    written = read_job(job(tmp_path, encoded, base, settings()))
    with pytest.raises(InputError, match=r"2 nodes with 4 processes each are not the 2 of train\.ranks"):
        run_node(written, PAIR, print)
