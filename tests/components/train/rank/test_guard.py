"""Batches that would spoil a model: judged alone, with DeepSpeed's stages, and in real runs on a set with one."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from platen.components.train.node.worker import environment
from platen.components.train.rank.guard import Guard, judge, spike_limit
from platen.components.train.rank.incidents import read_incidents
from platen.components.train.rank.settings import GuardSettings
from platen.components.train.stage import STAGE
from platen.core.errors import SettingsError
from platen.core.stage import Folder, run_stage
from tests.components.train.nodes import free_port, start_nodes
from tests.components.train.rank.conftest import POISONED
from tests.components.train.small_run import job, losses, result, run, settings, weights

IN_STEPS = [6, 11, 15]  # of 20, in which the poisoned sample is
CALM = [1.0 + 0.1 * random.Random(step).gauss(0, 1) for step in range(100)]
WATCHED = GuardSettings(on_spike="skip", spike_factor=8)


@pytest.fixture(scope="module")
def skipped(poisoned: Folder, base: Folder, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The model of an uninterrupted run that left out the poisoned batches."""
    inputs = {"encoded": poisoned.uri, "base": base.uri}
    return run_stage(STAGE, settings(), inputs, str(tmp_path_factory.mktemp("skipped"))).folder


def test_a_poisoned_batch_is_left_out_and_told_with_its_samples(skipped: Folder) -> None:
    history = json.loads(skipped.read("history.json") or b"")
    assert history["left_out"] == IN_STEPS
    assert [step for step, loss in enumerate(history["loss"]) if loss is None] == IN_STEPS
    told = json.loads(skipped.read("run.json") or b"")["left_out"]
    assert [(each["step"], each["action"], each["loss"]) for each in told] == [(s, "skip", None) for s in IN_STEPS]
    for each in told:
        assert len(each["samples"]) == 8
        assert POISONED in each["worst"] and len(each["worst"]) == 2  # a micro-batch
    assert math.isfinite(skipped.manifest.facts["last_loss"])


def test_another_number_of_ranks_leaves_out_the_same(
    skipped: Folder, poisoned: Folder, base: Folder, tmp_path: Path
) -> None:
    alone = run(tmp_path, poisoned, base, settings(ranks=1))
    assert [step for step, loss in enumerate(alone["losses"]) if loss is None] == IN_STEPS
    assert without_none(alone["losses"]) == pytest.approx(without_none(losses(skipped)), rel=1e-3)


def test_what_a_limit_stopped_goes_on_with_a_higher_one(
    skipped: Folder, poisoned: Folder, base: Folder, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=rf"train\.guard\.most_skipped: 1, and one more in step 11 .*{POISONED}"):
        run(tmp_path, poisoned, base, settings(guard={"most_skipped": 1}))
    assert [each.action for each in read_incidents(str(tmp_path)).values()] == ["skip", "stop"]
    done = run(tmp_path, poisoned, base, settings())
    assert done["began"] == [0, 8]
    assert done["losses"] == losses(skipped)
    assert weights(tmp_path / "export") == weights(skipped.path)


def test_a_training_that_is_to_stop_names_the_samples(poisoned: Folder, base: Folder, tmp_path: Path) -> None:
    uri = job(tmp_path, poisoned, base, settings(guard={"on_nan": "stop"}))
    nodes = start_nodes(uri, tmp_path)
    assert 2 in [node.end() for node in nodes]
    said = json.loads((tmp_path / "error.json").read_bytes())["message"]
    assert said.startswith("train.guard.on_nan: stop, and step 6 (from 0): its loss is nan; samples ")
    assert POISONED in said


def test_a_roll_back_that_was_killed_ends_as_one_that_was_not(poisoned: Folder, base: Folder, tmp_path: Path) -> None:
    """The first of the three has no checkpoint that is older than what is left out."""
    chosen = settings(guard={"on_nan": "roll_back", "rewind": 3}, log_every=1)
    smooth = run(tmp_path / "smooth", poisoned, base, chosen)
    assert [step for step, loss in enumerate(smooth["losses"]) if loss is None] == [6, 9, 10, 11, 13, 14, 15]
    told = read_incidents(str(tmp_path / "smooth"))
    assert {step: each.action for step, each in told.items()} == {6: "skip", 11: "roll_back", 15: "roll_back"}

    uri = job(tmp_path / "killed", poisoned, base, chosen)
    nodes = start_nodes(uri, tmp_path)
    nodes[0].wait_for("; roll_back")
    nodes[1].ranks()[0].send_signal(signal.SIGKILL)
    assert [node.end() for node in nodes] == [141, 137]
    nodes = start_nodes(uri, tmp_path)
    assert [node.end() for node in nodes] == [0, 0]
    assert result(tmp_path / "killed")["losses"] == smooth["losses"]
    assert weights(tmp_path / "killed" / "export") == weights(tmp_path / "smooth" / "export")


def test_every_way_to_hold_weights_leaves_a_batch_out_as_if_it_never_came(tmp_path: Path) -> None:
    out = tmp_path / "told.json"
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    env = {**os.environ, **environment(settings()), **alone, "MASTER_PORT": str(free_port())}
    subprocess.run([sys.executable, "-m", "tests.components.train.rank.skipping", str(out)], env=env, check=True)
    reasons = {"loss": ["its loss is inf"], "gradient": ["its gradient is not finite"]}
    told: dict[str, Any] = json.loads(out.read_bytes())
    assert len(told) == 16
    for name, found in told.items():
        assert found == {"same": True, "reasons": reasons[name.split(", ")[-1]]}, name


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_judged_by_its_own_setting(loss: float) -> None:
    assert judge(GuardSettings(), loss, [None]) == ("on_nan", f"its loss is {loss}")


def test_a_loss_far_above_the_others_is_a_jump() -> None:
    highest = spike_limit(WATCHED, [*CALM])
    assert highest == pytest.approx(1.0 + 8 * 0.1, rel=0.1)
    assert judge(WATCHED, highest * 1.01, [*CALM]) is not None
    assert judge(WATCHED, highest * 0.99, [*CALM]) is None
    assert judge(GuardSettings(), 1e9, [*CALM]) is None


def test_a_jump_is_held_against_batches_that_were_trained_on() -> None:
    assert spike_limit(WATCHED, [*CALM[:99], None]) is None
    assert spike_limit(WATCHED, [*CALM[:50], None, *CALM[50:]]) == spike_limit(WATCHED, [*CALM])
    assert spike_limit(WATCHED, [99.0, *CALM]) == spike_limit(WATCHED, [*CALM])


def test_losses_that_hardly_move_leave_room() -> None:
    assert spike_limit(GuardSettings(spike_factor=10), [2.0] * 100) == pytest.approx(2.2)


def test_skips_in_a_row_stop_training_and_others_do_not(one_rank: None, tmp_path: Path) -> None:
    guard = guarded(tmp_path, most_in_a_row=2)
    judged(guard, 3, math.nan, [None, None, 1.0])
    with pytest.raises(SettingsError, match=r"train\.guard\.most_in_a_row: 2, and one more in step 5 \(from 0\)"):
        judged(guard, 5, math.nan, [1.0, 1.0, 1.0, None, None])


def test_who_goes_on_knows_what_was_left_out(one_rank: None, tmp_path: Path) -> None:
    judged(guarded(tmp_path), 7, math.nan, [1.0] * 7)
    again = guarded(tmp_path)
    assert [step for step in range(20) if not again.opens(step)] == [7]
    assert again.contradiction([1.0] * 7) is None
    assert again.contradiction([1.0] * 9) == 7
    assert again.contradiction([*[1.0] * 7, None, 1.0]) is None


def test_a_batch_that_stopped_training_is_judged_again(one_rank: None, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="most_skipped: 0"):
        judged(guarded(tmp_path, most_skipped=0), 7, math.nan, [1.0] * 7)
    assert guarded(tmp_path).opens(7)


def guarded(folder: Path, **limits: int) -> Guard:
    return Guard(
        settings(ranks=1, global_batch=4, guard=limits),
        str(folder),
        lambda step: [f"{step}-{place}" for place in range(4)],
        lambda: None,
    )


def judged(guard: Guard, step: int, loss: float, before: list[float | None]) -> None:
    import torch

    last = torch.tensor(loss)
    guard.opens(step)
    guard.admit(step, last, [torch.tensor(1.0), last], before)


def without_none(found: list[float | None]) -> list[float]:
    return [loss for loss in found if loss is not None]
