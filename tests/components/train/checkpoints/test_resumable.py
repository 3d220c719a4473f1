from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.checkpoints.index import LAYOUT, Checkpoint, Layout, commit
from platen.components.train.checkpoints.resumable import check_resumable, check_resumed
from platen.components.train.job import CHECKPOINTS, Job, folder_of
from platen.core.errors import InputError
from platen.core.storage import join
from tests.components.train.small_run import settings


def training(shared: str, *, base: str = "mine", must_resume: bool = True) -> Job:
    chosen = settings(must_resume=must_resume)
    return Job(settings=chosen, encoded="e", base="b", shared=shared, records="r", digests={"base": base})


def save(shared: str, step: int, base: str = "mine") -> None:
    index = Checkpoint(step=step, base=base, ranks=1, stage=3, loss=None, files=[])
    commit(join(shared, CHECKPOINTS, folder_of(step)), index, Layout(parts=[], sizes={}), {"losses": [1.0] * step})


def break_off(folder: Path, *steps: int) -> str:
    """The folders that saves have left which never came to their end."""
    for step in steps:
        (folder / CHECKPOINTS / folder_of(step)).mkdir(parents=True)
    return str(folder)


def test_what_is_there_is_gone_on_from(tmp_path: Path) -> None:
    shared = break_off(tmp_path, 16)
    check_resumable(training(shared, must_resume=False))
    save(shared, 8)
    check_resumable(training(shared))


def test_nothing_is_asked_of_a_first_start(tmp_path: Path) -> None:
    check_resumable(training(str(tmp_path)))


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    save(str(tmp_path), 8, base="theirs")
    with pytest.raises(InputError, match=r"00000008: a checkpoint of another model: .* theirs there .* mine here"):
        check_resumable(training(str(tmp_path), must_resume=False))


def test_one_that_does_not_say_of_which_model_it_is_is_left_to_the_ranks(tmp_path: Path) -> None:
    save(str(tmp_path), 8, base="")
    check_resumable(training(str(tmp_path)))


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_a_training_that_must_resume_is_refused_where_the_layout_is(fault: str, tmp_path: Path) -> None:
    save(str(tmp_path), 8)
    layout = tmp_path / CHECKPOINTS / folder_of(8) / LAYOUT
    layout.write_text("{}") if fault == "changed" else layout.unlink()
    check_resumable(training(str(tmp_path), must_resume=False))
    with pytest.raises(InputError, match=r"\(steps 8\) none is whole .*train\.must_resume"):
        check_resumable(training(str(tmp_path)))


def test_a_training_that_begins_anew_beside_checkpoints_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_resumed(break_off(tmp_path, 8, 16), 0, must_resume=False)
    assert "steps 16, 8" in caplog.text and "TRAINING BEGINS ANEW" in caplog.text


def test_a_training_that_must_resume_is_refused_where_nothing_is_whole(tmp_path: Path) -> None:
    shared = break_off(tmp_path, 8)
    with pytest.raises(
        InputError, match=r"checkpoints: of the checkpoints there \(steps 8\) none .*train\.must_resume"
    ):
        check_resumed(shared, 0, must_resume=True)


@pytest.mark.parametrize(("broken", "done"), [((), 0), ((8,), 16)], ids=["the first start", "resumed"])
def test_nothing_is_said_of_a_first_start_nor_of_one_that_goes_on(
    broken: tuple[int, ...], done: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_resumed(break_off(tmp_path, *broken), done, must_resume=True)
    assert not caplog.records
