from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.rank.rollback import check_resumed, give_up_after, losses_of
from platen.errors import InputError, ProcessError


def checkpoints(folder: Path, *, whole: tuple[int, ...], broken: tuple[int, ...] = ()) -> str:
    for step in (*whole, *broken):
        (folder / "checkpoints" / f"{step:08d}").mkdir(parents=True)
    for step in whole:
        (folder / "checkpoints" / f"{step:08d}" / "checkpoint.json").write_text("{}")
    return str(folder)


def test_a_training_that_begins_anew_beside_checkpoints_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_resumed(checkpoints(tmp_path, whole=(), broken=(8, 16)), 0, must_resume=False)
    assert "steps 16, 8" in caplog.text and "TRAINING BEGINS ANEW" in caplog.text


def test_a_training_that_must_resume_is_refused_where_nothing_is_whole(tmp_path: Path) -> None:
    shared = checkpoints(tmp_path, whole=(), broken=(8,))
    with pytest.raises(
        InputError, match=r"checkpoints: of the checkpoints there \(steps 8\) none .*train\.must_resume"
    ):
        check_resumed(shared, 0, must_resume=True)


@pytest.mark.parametrize(("broken", "done"), [((), 0), ((8,), 16)], ids=["the first start", "resumed"])
def test_nothing_is_said_of_a_first_start_nor_of_one_that_goes_on(
    broken: tuple[int, ...], done: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_resumed(checkpoints(tmp_path, whole=(), broken=broken), done, must_resume=True)
    assert not caplog.records


def test_what_was_trained_on_a_batch_that_is_left_out_is_given_up(one_rank: None, tmp_path: Path) -> None:
    give_up_after(checkpoints(tmp_path, whole=(8, 16, 24)), 16)
    left = sorted(path.parent.name for path in (tmp_path / "checkpoints").glob("*/checkpoint.json"))
    assert left == ["00000008", "00000016"]


def test_spoilt_weights_are_not_gone_on_with(tmp_path: Path) -> None:
    assert losses_of({"losses": [1.0, None]}, str(tmp_path)) == [1.0, None]
    with pytest.raises(ProcessError, match="no whole checkpoint to roll back to"):
        losses_of(None, str(tmp_path))
