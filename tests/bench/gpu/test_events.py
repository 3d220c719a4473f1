from __future__ import annotations

from pathlib import Path

from bench.gpu.events import read_scalars
from platen.components.train.measure.scalars import Scalars


def test_what_train_writes_is_read_back(tmp_path: Path) -> None:
    scalars = Scalars(str(tmp_path), tmp_path, 0)
    scalars.add(5, {"speed/mfu": 0.25})
    scalars.add(10, {"speed/mfu": 0.5, "speed/goodput": 0.75})
    scalars.flush()
    (file,) = tmp_path.glob("tensorboard/events.*")
    assert read_scalars(file) == {"speed/mfu": [0.25, 0.5], "speed/goodput": [0.75]}
