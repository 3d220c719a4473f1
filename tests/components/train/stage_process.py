"""The train stage in a process group of its own, to be killed or stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import psutil

CODE = (
    "import json, sys; from platen.core.stage import run_stage; from platen.core.telemetry import set_up_logging;"
    "from platen.components.train.stage import STAGE; from tests.components.train.small_run import settings;"
    "set_up_logging(); chosen, inputs, workspace = map(json.loads, sys.argv[1:]);"
    "run_stage(STAGE, settings(**{'log_every': 1, **chosen}), inputs, workspace)"
)


def start(inputs: dict[str, str], workspace: str, env: dict[str, str] | None = None, **changes: Any) -> psutil.Popen:
    """Start it; it tells of every step."""
    argv = [sys.executable, "-c", CODE, *map(json.dumps, (changes, inputs, workspace))]
    return psutil.Popen(
        argv, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, **(env or {})}
    )


def wait_for(process: psutil.Popen, words: str) -> list[str]:
    """Until it says something, or ends; what it said until then."""
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            break
    return said


def stop(process: psutil.Popen) -> int:
    """SIGTERM to it and to what it started; its exit code."""
    os.killpg(process.pid, signal.SIGTERM)  # torchrun is of the same group
    return int(process.wait(180))


def kill(process: psutil.Popen) -> None:
    """Kill it with -9; what it started dies with it."""
    below = process.children(recursive=True)
    assert len(below) >= 2  # torchrun, its ranks, and what they may have started
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
