"""What ends a training early, on two nodes of one rank each."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.job import BEGAN_AT
from platen.components.train.rank.settings import StopSettings
from platen.components.train.rank.stop import Reason, StopFlag
from platen.core.stage import Folder
from tests.components.train.metadata_server import Answer, MetadataServer
from tests.components.train.nodes import start_nodes
from tests.components.train.small_run import job, run, settings


def test_a_notice_to_one_node_has_all_ranks_save_and_end(
    metadata: MetadataServer, encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    """First by a metadata server, then by a file; the second attempt goes on where the first ended."""
    notice = tmp_path / "notice"
    stop = {"notice_url": metadata.url, "notice_file": str(notice), "poll_seconds": 0.1}
    chosen = settings(steps=5000, log_every=1, checkpoints={"every": 5000}, stop=stop)
    uri = job(tmp_path, encoded, base, chosen)

    nodes = start_nodes(uri, tmp_path)
    nodes[0].wait_for("step 2 of")
    metadata.answer = Answer(200, "TRUE")
    assert [node.end() for node in nodes] == [143, 143]
    first = saved(tmp_path)
    said = f"stopped by a notice that its machine is taken away after step {first} of 5000"
    assert all(said in node.text for node in nodes)

    metadata.answer = Answer(200, "FALSE")
    nodes = start_nodes(uri, tmp_path)
    nodes[0].wait_for(f"step {first + 2} of")
    notice.touch()
    assert [node.end() for node in nodes] == [143, 143]
    assert f"resumed after step {first} " in nodes[0].text
    assert saved(tmp_path) >= first + 2


def test_a_time_budget_that_is_used_up_ends_with_a_checkpoint_and_its_own_code(
    encoded: Folder, base: Folder, tmp_path: Path
) -> None:
    chosen = settings(steps=5000, log_every=1, stop={"budget_seconds": 1.0})
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, encoded, base, chosen)
    assert ended.value.code == 152
    assert saved(tmp_path) == 1  # starting took longer


@pytest.mark.parametrize(
    ("budget", "ago", "stops"),
    [
        ({"budget_seconds": 100.0, "save_seconds": 60.0}, 50, True),
        ({"budget_seconds": 100.0, "save_seconds": 30.0}, 50, False),
        ({"budget_seconds": 100.0, "save_seconds": 0.0}, 101, True),
        ({}, 10_000, False),
    ],
)
def test_a_budget_has_room_for_a_checkpoint(
    budget: dict[str, Any], ago: int, stops: bool, one_rank: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BEGAN_AT, str(time.time() - ago))
    agreed = StopFlag(StopSettings(**budget)).agreed()
    assert agreed is (Reason.BUDGET if stops else Reason.NONE)


def test_the_budgets_checkpoint_is_measured(one_rank: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BEGAN_AT, str(time.time() - 50))
    flag = StopFlag(StopSettings(budget_seconds=100.0, save_seconds=60.0))
    flag.note_saving(True)
    assert flag.agreed() is Reason.BUDGET
    flag = StopFlag(StopSettings(budget_seconds=100.0, save_seconds=60.0))
    for saving in (True, False):
        flag.note_saving(saving)
    assert flag.agreed() is Reason.NONE


def test_of_several_reasons_the_one_that_is_most_urgent_counts(one_rank: None) -> None:
    flag = StopFlag(StopSettings())
    for reason in (Reason.NOTICE, Reason.SIGTERM, Reason.BUDGET):
        flag.tell(reason)
    assert flag.agreed() is Reason.SIGTERM
    assert [reason.code for reason in Reason][1:] == [152, 143, 143]


def saved(shared: Path) -> int:
    """The step of the newest checkpoint, which is whole."""
    newest = sorted((shared / "checkpoints").iterdir())[-1]
    return int(json.loads((newest / "checkpoint.json").read_bytes())["step"])
