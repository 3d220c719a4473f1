"""Two nodes on one machine, each the process of a training pod, over real sockets and a shared folder."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from platen.components.train.job import read_error
from platen.errors import InputError
from platen.stage import Folder
from tests.components.train.nodes import start_nodes
from tests.components.train.small_run import commit, job, result, settings, weights

pytestmark = pytest.mark.xdist_group("train")  # one rank a core

EVERY_STEP = settings(log_every=1)


def test_two_nodes_train_as_two_ranks_of_one_do(two_ranks: Path, encoded: Folder, base: Folder, tmp_path: Path) -> None:
    nodes = start_nodes(job(tmp_path, encoded, base, settings()), tmp_path)
    assert [node.end() for node in nodes] == [0, 0]
    assert result(tmp_path)["losses"] == pytest.approx(result(two_ranks)["losses"], rel=1e-4)
    assert weights(tmp_path) == weights(two_ranks)
    lines = [line for line in nodes[0].text.splitlines() if line.startswith("[rank 0] {")]
    told = [json.loads(line.removeprefix("[rank 0] ")) for line in lines]
    assert [entry["step"] for entry in told if "loss" in entry] == [4, 8, 12, 16, 20]
    assert not list(tmp_path.glob("node-?/*"))


def test_a_killed_rank_ends_both_nodes_and_both_go_on_from_the_checkpoint(
    two_ranks: Path, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    uri = job(tmp_path, encoded, base, EVERY_STEP)
    nodes = start_nodes(uri, tmp_path)
    nodes[0].wait_for("step 10 of")
    nodes[1].ranks()[0].send_signal(signal.SIGKILL)
    assert [node.end() for node in nodes] == [141, 137]
    assert "rank 0 lost another rank" in nodes[0].text
    assert read_error(str(tmp_path)) is None
    again = start_nodes(uri, tmp_path, PLATEN_ATTEMPT="2")
    assert [node.end() for node in again] == [0, 0]
    assert result(tmp_path)["losses"] == pytest.approx(result(two_ranks)["losses"], rel=1e-4)
    assert result(tmp_path)["began"] == [0, 8]
    assert weights(tmp_path) == weights(two_ranks)


def test_sigterm_to_one_node_stops_both_after_the_same_saved_step(
    encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    nodes = start_nodes(job(tmp_path, encoded, base, settings(log_every=1, steps=500)), tmp_path)
    nodes[0].wait_for("step 3 of")
    nodes[1].process.send_signal(signal.SIGTERM)
    nodes[1].process.send_signal(signal.SIGTERM)  # a second one does not break the save
    assert [node.end() for node in nodes] == [143, 143]
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    index = json.loads((newest / "checkpoint.json").read_bytes())
    assert index["step"] == int(newest.name)
    assert {file["path"].split("/")[0] for file in index["files"]} == {"rank-0", "rank-1", "losses.json"}
    for number, node in enumerate(nodes):
        assert f"[rank {number}] " in node.text
        assert f"stopped by SIGTERM after step {index['step']} of 500; its checkpoint is saved" in node.text


def test_an_error_of_the_user_ends_with_2_and_its_words(encoded: Folder, tmp_path: Path) -> None:
    base = commit(lambda out: (out / "unet").mkdir(), tmp_path / "inputs", "base", "model")
    nodes = start_nodes(job(tmp_path, encoded, base, settings()), tmp_path)
    assert 2 in [node.end() for node in nodes]
    error = read_error(str(tmp_path))
    assert isinstance(error, InputError)
    assert "unet/config.json: missing; the base model must be" in str(error)
    assert json.loads((tmp_path / "error.json").read_bytes())["attempt"] == "1"
