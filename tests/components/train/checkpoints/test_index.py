from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.checkpoints.index import (
    LAYOUT,
    PROGRESS,
    Checkpoint,
    Layout,
    Part,
    check_same_model,
    commit,
    committed,
    read_described,
)
from platen.core.errors import CorruptError, InputError

SIZES = {"conv": 6, "bias": 2}
PARTS = [
    Part(stretches=[("conv", 0, 4)], updates=7, scaler={}),
    Part(stretches=[("conv", 4, 2), ("bias", 0, 2)], updates=7, scaler={}),
]
LAID = Layout(parts=PARTS, sizes=SIZES)


def save(folder: Path, step: int) -> Checkpoint:
    index = Checkpoint(step=step, ranks=2, stage=3, loss=0.5, files=[])
    commit(str(folder / f"{step:08d}"), index, LAID, {"losses": [1.0] * step})
    return committed(str(folder))[0][1]


def test_what_is_committed_is_found_newest_first(tmp_path: Path) -> None:
    for step in (8, 16):
        save(tmp_path, step)
    (tmp_path / "00000024" / "rank-0").mkdir(parents=True)  # a save that was broken off
    assert [index.step for _, index in committed(str(tmp_path))] == [16, 8]


def test_a_broken_index_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 8)
    (tmp_path / "00000008" / "checkpoint.json").write_text('{"step": 8}')
    assert committed(str(tmp_path)) == []


@pytest.mark.parametrize("name", [LAYOUT, PROGRESS])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    index = save(tmp_path, 8)
    path = tmp_path / "00000008" / name
    assert read_described(str(path.parent), index, name) == path.read_bytes()
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CorruptError, match=f"{name}: missing, or not what checkpoint.json says"):
        read_described(str(path.parent), index, name)


def test_a_checkpoint_of_another_model_is_refused() -> None:
    check_same_model("it", LAID, SIZES)
    with pytest.raises(InputError, match=r"it: a checkpoint of another model: conv has 6 numbers there and 9 here \(1"):
        check_same_model("it", LAID, {**SIZES, "conv": 9})
    with pytest.raises(InputError, match="norm has no numbers there and 3 here"):
        check_same_model("it", LAID, {**SIZES, "norm": 3})


def test_missing_numbers_are_noticed() -> None:
    lacking = Layout(parts=PARTS[:1], sizes=SIZES)
    with pytest.raises(CorruptError, match="4 numbers of conv; it has 6"):
        check_same_model("it", lacking, SIZES)
