"""What of a report is compared between runs."""

from __future__ import annotations

from pathlib import Path

from platen.components.evaluate.run_metrics import run_metrics
from platen.core.ui import finite
from tests.committed import commit
from tests.small_report import bias, metric, report


def test_every_metric_has_the_name_that_the_rules_of_gate_know(tmp_path: Path) -> None:
    color = bias(distance=metric(0.27, 0.15, 0.44), red=metric(0.4, 0.2, 0.6))
    written = report(fid=metric(3.2, 2.5, 3.9), bias={"color": color}, measured_with={"fid": {"n": 3}})
    found = run_metrics(commit(tmp_path, {"report.json": written.encode().decode()}))
    assert finite(found) == {
        **{"fid": 3.2, "fid_low": 2.5, "fid_high": 3.9},
        **{"bias.color.distance": 0.27, "bias.color.distance_low": 0.15, "bias.color.distance_high": 0.44},
        **{"bias.color.values.red.share": 0.4, "bias.color.values.red.share_low": 0.2},
        "bias.color.values.red.share_high": 0.6,
    }
    assert found["kid"] is found["kid_low"] is None
