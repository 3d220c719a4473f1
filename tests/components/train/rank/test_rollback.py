from __future__ import annotations

from pathlib import Path

import pytest

from platen.components.train.rank.rollback import give_up_after, losses_of
from platen.core.errors import ProcessError


def checkpoints(folder: Path, *whole: int) -> str:
    for step in whole:
        (folder / "checkpoints" / f"{step:08d}").mkdir(parents=True)
        (folder / "checkpoints" / f"{step:08d}" / "checkpoint.json").write_text("{}")
    return str(folder)


def test_what_was_trained_on_a_batch_that_is_left_out_is_given_up(one_rank: None, tmp_path: Path) -> None:
    give_up_after(checkpoints(tmp_path, 8, 16, 24), 16)
    left = sorted(path.parent.name for path in (tmp_path / "checkpoints").glob("*/checkpoint.json"))
    assert left == ["00000008", "00000016"]


def test_spoilt_weights_are_not_gone_on_with(tmp_path: Path) -> None:
    assert losses_of({"losses": [1.0, None]}, str(tmp_path)) == [1.0, None]
    with pytest.raises(ProcessError, match="no whole checkpoint to roll back to"):
        losses_of(None, str(tmp_path))
