"""TensorBoard's event files, read back."""

from __future__ import annotations

from pathlib import Path

from platen.components.train.measure.scalars import Scalars
from platen.core.storage import store_for
from tests.components.train.measure.events import read_scalars


def test_scalars_are_read_back(tmp_path: Path) -> None:
    scalars = Scalars(str(tmp_path / "run"), tmp_path / "desk", 0)
    scalars.add_row("train/loss", 1, [0.5, 0.25])
    scalars.add(2, {"speed/goodput": 0.75})
    scalars.save()
    assert read_scalars(tmp_path / "run") == {"train/loss": {1: 0.5, 2: 0.25}, "speed/goodput": {2: 0.75}}
    assert not (tmp_path / "desk").exists()


def test_steps_that_were_lost_are_not_shown(tmp_path: Path) -> None:
    for first, loss in ((0, 1.0), (2, 2.0)):
        scalars = Scalars(str(tmp_path), tmp_path, first)
        scalars.add_row("train/loss", first + 1, [loss] * 3)
        scalars.save()
    assert read_scalars(tmp_path)["train/loss"] == {1: 1.0, 2: 1.0, 3: 2.0, 4: 2.0, 5: 2.0}


def test_they_reach_a_bucket_when_they_are_saved(prefix: str, tmp_path: Path) -> None:
    scalars = Scalars(prefix, tmp_path, 0)
    scalars.add(1, {"speed/goodput": 0.75})
    assert store_for(prefix).list(f"{prefix}/tensorboard") == []
    scalars.save()
    (name,) = store_for(prefix).list(f"{prefix}/tensorboard")
    store_for(prefix).get(f"{prefix}/tensorboard/{name}", tmp_path / "fetched" / name)
    assert read_scalars(tmp_path / "fetched") == {"speed/goodput": {1: 0.75}}
