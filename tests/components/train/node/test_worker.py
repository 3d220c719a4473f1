"""Two nodes on one machine, each the process of a training pod, over real sockets and a shared folder."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.job import read_error
from platen.core.errors import InputError
from platen.core.stage import Folder
from tests.components.train.nodes import Worker, start_nodes
from tests.components.train.small_run import commit, job, losses, result, settings, weights


def test_killed_and_stopped_and_robbed_of_a_checkpoint_two_nodes_end_as_two_ranks_of_one_do(
    two_ranks: Folder, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    uri = job(tmp_path, encoded, base, settings(log_every=1))

    nodes = start_nodes(uri, tmp_path, PLATEN_ATTEMPT="1")
    nodes[0].wait_for("step 12 of")
    nodes[1].ranks()[0].send_signal(signal.SIGKILL)
    assert [node.end() for node in nodes] == [141, 137]
    assert "rank 0 lost another rank" in nodes[0].text
    assert read_error(str(tmp_path)) is None

    nodes = start_nodes(uri, tmp_path, PLATEN_ATTEMPT="2")
    nodes[0].wait_for("step 9 of")
    for _ in range(2):  # a second signal does not break the save
        nodes[1].process.send_signal(signal.SIGTERM)
    assert [node.end() for node in nodes] == [143, 143]
    saved = sorted((tmp_path / "checkpoints").iterdir())[-1]
    index = json.loads((saved / "checkpoint.json").read_bytes())
    assert 9 <= index["step"] == int(saved.name) < 20
    assert {file["path"].split("/")[0] for file in index["files"]} == {
        "rank-0",
        "rank-1",
        "layout.json",
        "progress.json",
    }
    for number, node in enumerate(nodes):
        assert told(node, number, "stopped by SIGTERM after step")["message"].endswith("its checkpoint is saved")

    broken = saved / "rank-1" / "state.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    (tmp_path / "checkpoints" / "00000019" / "rank-0").mkdir(parents=True)  # of a save that was broken off
    nodes = start_nodes(uri, tmp_path, PLATEN_ATTEMPT="3")
    assert [node.end() for node in nodes] == [0, 0]
    assert told(nodes[1], 1, "checkpoint passed over, it is not whole")["level"] == "warning"
    assert told(nodes[0], 0, "resumed after step 8")
    done = result(tmp_path)
    assert done["began"] == [0, 8, 8]
    assert done["losses"] == pytest.approx(losses(two_ranks), rel=1e-4)
    assert weights(tmp_path / "export") == weights(two_ranks.path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["00000016", "00000020"]
    assert not list(tmp_path.glob("node-?/*"))


def test_an_error_of_the_user_ends_with_2_and_its_words(encoded: Folder, tmp_path: Path) -> None:
    def write(out: Path) -> None:
        (out / "unet").mkdir()
        (out / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')

    base = commit(write, tmp_path / "inputs", "base", "model")
    nodes = start_nodes(job(tmp_path, encoded, base, settings()), tmp_path)
    assert 2 in [node.end() for node in nodes]
    error = read_error(str(tmp_path))
    assert isinstance(error, InputError)
    assert "unet/config.json: missing; the base model must be" in str(error)
    assert json.loads((tmp_path / "error.json").read_bytes())["attempt"] == "1"


def told(node: Worker, rank: int, words: str) -> dict[str, Any]:
    """The log entry of a rank that holds some words."""
    prefix = f"[rank {rank}] "
    found = [line for line in node.text.splitlines() if line.startswith(prefix) and words in line]
    assert found, node.text
    return dict(json.loads(found[0].removeprefix(prefix)))
