from __future__ import annotations

from pathlib import Path

import pytest
from kfp import dsl

from platen.components.monitor.component import monitor_live
from platen.core import records


def test_the_monitor_before_a_retraining_has_a_record_of_its_own(tmp_path: Path) -> None:
    workspace, run = str(tmp_path / "workspace"), str(tmp_path / "run")
    with pytest.raises(SystemExit, match="2"):
        monitor_live.python_func("{}", workspace, run, dsl.Artifact(uri=str(tmp_path / "artifact")))
    [record] = records.load(run)  # `monitor` is what the chain's own leaves later in the same run
    assert record.name == "monitor_live"
    assert record.error is not None and "no release is live here" in record.error.message
