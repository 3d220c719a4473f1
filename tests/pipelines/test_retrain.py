"""The graph of a retraining."""

from __future__ import annotations

from pathlib import Path

import yaml


def test_retraining_depends_on_the_verdict(compiled: Path) -> None:
    spec = next(yaml.safe_load_all((compiled / "retrain.yaml").read_text()))
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    conditions = [task["triggerPolicy"]["condition"] for task in tasks.values() if "triggerPolicy" in task]
    assert len(conditions) == 1
    assert conditions[0].endswith("== 'retrain'")
