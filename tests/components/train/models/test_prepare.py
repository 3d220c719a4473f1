from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from platen.components.train.settings import TrainSettings
from platen.core.errors import SettingsError
from platen.core.settings import build
from platen.core.stage import Folder
from tests.components.train.small_run import run, settings, weights


@pytest.mark.soak("takes minutes, a compiler runs for each kernel")
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPUs")
def test_a_compiled_model_loses_what_it_loses_uncompiled(encoded: Folder, base: Folder, tmp_path: Path) -> None:
    chosen = {"steps": 3, "ranks": 1, "gradient_checkpointing": True, "zero": {"stage": 1}}
    plain, compiled = (run(tmp_path / str(on), encoded, base, settings(compile=on, **chosen)) for on in (False, True))
    assert compiled["losses"] == pytest.approx(plain["losses"], rel=1e-4)
    assert weights(tmp_path / "True" / "export") != weights(base.path)


def test_a_model_that_is_gathered_layer_by_layer_is_not_compiled() -> None:
    with pytest.raises(SettingsError, match=r"compile needs zero\.stage 0, 1 or 2, not 3"):
        build(TrainSettings, {"compile": True})
