"""The exit handler as kfp.local runs it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from platen.core.errors import InputError
from tests.components.notify.a_run import run_chain

PIPELINE = """
import sys
from kfp import dsl, local
from platen.components.notify.component import notify

@dsl.component(base_image="none:1", install_kfp_package=False)
def body(code: int):
    import sys
    sys.exit(code)

@dsl.pipeline(name="exits")
def exits(settings: str, workspace: str, run: str, code: int):
    with dsl.ExitHandler(notify(settings=settings, workspace=workspace, run=run)):
        body(code=code)

local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1])
exits(settings=sys.argv[2], workspace=sys.argv[3], run=sys.argv[4], code=int(sys.argv[5]))
"""


@pytest.mark.parametrize(("code", "outcome"), [(0, "succeeded"), (2, "failed")])
def test_exit_handler_runs_however_the_pipeline_ends(tmp_path: Path, code: int, outcome: str) -> None:
    error = InputError("/data: no such folder") if code else None
    text, workspace, run = run_chain(tmp_path, "clean_text", error)
    script = tmp_path / "pipeline.py"
    script.write_text(PIPELINE)
    argv = [sys.executable, str(script), str(tmp_path / "root"), text, workspace, run, str(code)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode == 0) == (code == 0), done.stderr
    summary = json.loads(Path(run, "summary.json").read_bytes())
    assert summary["outcome"] == outcome
    assert (summary["failure"] or {}).get("stage") == ("clean_text" if code else None)
    (artifact,) = (tmp_path / "root").glob("exits-*/notify/report")
    assert artifact.read_text() == Path(run, "report.html").read_text()
