from __future__ import annotations

from pathlib import Path

import pytest

from platen.artifacts.training_run import Measured, SlowRank, TrainingRun, Zero
from platen.core.errors import CorruptError
from platen.core.manifest import RUN
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage

ZERO = Zero(stage=3, world_size=2, parameters_per_rank=[1, 2], parameters=3)
MEASURED = Measured(attempts=2, goodput=0.5, stragglers=[SlowRank(rank=1, node="a", part="data", windows=4)])


def commit(workspace: Path, run: TrainingRun) -> Folder:
    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        place.observe(**run.notes())
        return Outcome()

    return run_stage(Stage("train", 1, "model", Settings, {}, work), Settings(), {}, str(workspace)).folder


@pytest.mark.parametrize(
    "run",
    [
        TrainingRun(),
        TrainingRun(train_seconds=1.5, samples_per_second=8.0, resumed_after=[4], zero=ZERO, measured=MEASURED),
        TrainingRun(job={"kind": "PyTorchJob"}, attempts=2, restarts=[{"attempt": 1}]),
    ],
    ids=["nothing", "measured", "a job"],
)
def test_what_was_noted_is_read_as_it_was_written(tmp_path: Path, run: TrainingRun) -> None:
    assert TrainingRun.of(commit(tmp_path, run)) == run


def test_a_second_note_keeps_the_first(tmp_path: Path) -> None:
    """The launcher of the job notes what it did before the stage does."""
    noted = {**TrainingRun(job={"kind": "PyTorchJob"}).notes(), **TrainingRun(train_seconds=1.5).notes()}
    assert noted == {"job": {"kind": "PyTorchJob"}, "train_seconds": 1.5}


def test_without_a_record_nothing_was_noted(tmp_path: Path) -> None:
    folder = commit(tmp_path, TrainingRun(zero=ZERO))
    Path(folder.uri, RUN).unlink()
    assert TrainingRun.of(folder) == TrainingRun()


def test_another_shape_is_refused_by_file_and_field(tmp_path: Path) -> None:
    folder = commit(tmp_path, TrainingRun())
    Path(folder.uri, RUN).write_text('{"zero": [3]}')
    with pytest.raises(CorruptError, match=r"run\.json: zero: Input should be"):
        TrainingRun.of(folder)
