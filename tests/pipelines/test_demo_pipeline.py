"""The graph of the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen.pipelines.demo import cluster_settings
from platen.pipelines.package import read_package
from tests.pipelines.kfp_server import Json
from tests.pipelines.small_demo import STAGES, settings_for


def test_the_chain_waits_for_the_sample(compiled: Path) -> None:
    spec = read_package(compiled, "demo").spec
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert "dependentTasks" not in tasks["sample"]
    assert all("sample" in task["dependentTasks"] for name, task in tasks.items() if name != "sample")
    assert read_package(compiled, "demo").tasks == read_package(compiled, "content").tasks | {"sample"}


RUN_IT = """
import sys
from kfp import local
from platen.pipelines.demo_pipeline import demo_pipeline
from platen.pipelines.local import _processes
local.init(runner=_processes(), pipeline_root=sys.argv[1], raise_on_error=True)
demo_pipeline()(settings=open(sys.argv[2]).read(), workspace=sys.argv[3], run=sys.argv[4])
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_graph_finds_what_the_sample_planted(compiled: Path, tmp_path: Path, scratch: Path) -> None:
    """The whole graph on a folder of this machine as workspace; training and release are a laptop's here."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small_settings(tmp_path)))
    workspace, run = str(tmp_path / "ws"), str(tmp_path / "run")
    text, _ = cluster_settings(read_package(compiled, "demo"), [tmp_path / "small.yaml"], workspace, run)
    (tmp_path / "settings.yaml").write_text(text)
    command = [sys.executable, "-c", RUN_IT, str(tmp_path / "kfp"), str(tmp_path / "settings.yaml"), workspace, run]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    summary: dict[str, Any] = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert summary["outcome"] == "succeeded"
    assert [stage["name"] for stage in summary["stages"]][:3] == ["sample", "preflight", "ingest"]
    assert {stage["name"] for stage in summary["stages"]} >= {"sample", *STAGES}
    assert summary["dropped"] == summary["planted"] != {}
    assert summary["repaired"] == summary["planted_repairs"] != {}
    assert "Exactly those that were planted" in (tmp_path / "run" / "report.html").read_text()


def small_settings(folder: Path) -> Json:
    small = settings_for(folder, 1)
    for name in ("workspace", "run", "notify"):
        del small[name]
    small["ingest"] = {"shard_size": 32}
    small["sample"] = {"pictures": 72, "faults": 1}
    del small["generate"]["prompts"]
    small["train"]["job"] = None
    small["deploy"]["deployment"] = None
    return small
