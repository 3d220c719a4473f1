"""The demo in small: the same command, graph and stages. What it makes is no picture of anything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from platen.core.manifest import MANIFEST

PREFLIGHT = "preflight"  # a task that commits nothing, and is made in every run
STAGES = (
    "ingest",
    "clean_text",
    "clean_images",
    "merge",
    "base",
    "encode",
    "plan",
    "train",
    "generate",
    "evaluate",
    "gate",
    "deploy",
    "monitor",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def settings_for(folder: Path, port: int) -> dict:
    """Settings whose paths are relative to where the command is started."""
    return {
        "workspace": "ws",
        "run": "run",
        "sample": {"pictures": 72, "faults": 1, "port": port},
        "ingest": {
            "folder": "run/sample/pictures",
            "urls": "run/sample/urls.csv",
            "allow_hosts": [f"localhost:{port}"],
            "shard_size": 32,
            "deadline": 8,
            "max_bytes": 1_000_000,
        },
        "clean_images": {"resolution": 32, "min_side": 48, "format": "png"},
        "merge": {"split": {"train": 0.5, "validation": 0.25, "test": 0.25}},
        "base": {"tiny": {"clip_steps": 8, "vae_steps": 8, "unet_channels": [16, 32]}},
        "train": {
            "steps": 12,
            "global_batch": 8,
            "micro_batch": 4,
            "precision": "fp32",
            "optimizer": {"warmup_steps": 2},
            "checkpoints": {"every": 4},
            "log_every": 1,
        },
        "generate": {"prompts": "run/sample/prompts.jsonl", "steps": 2},
        "evaluate": {"min_samples": 5},
        "gate": {"rules": [{"metric": "held_out_loss", "direction": "at_most", "limit": 100}]},
        "deploy": {"smoke_requests": 2},
        "monitor": {"min_requests": 2, "max_latency_p95": 300, "ignore_users": []},  # all there is: the smoke test
        "notify": {"truth": "run/sample/truth.json"},
    }


def write_settings(folder: Path, settings: dict) -> Path:
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def start_demo(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "platen.cli", "demo", "--settings", "demo.yaml"]
    with (folder / "demo.log").open("a") as log:
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL, text=True)


def run_demo(folder: Path) -> int:
    return start_demo(folder).wait()


def summary(folder: Path) -> dict:
    return json.loads((folder / "run" / "summary.json").read_bytes())


def cached(folder: Path) -> dict[str, bool]:
    """Whether each stage that commits something found it."""
    return {stage["name"]: stage["cached"] for stage in summary(folder)["stages"] if stage["name"] != PREFLIGHT}


def manifests(folder: Path) -> dict[str, bytes]:
    """The manifest of every committed folder, by its place in the workspace."""
    workspace = folder / "ws"
    found = sorted(workspace.glob(f"*/[0-9a-f]*/{MANIFEST}"))
    return {path.relative_to(workspace).as_posix(): path.read_bytes() for path in found}


def kill_within(folder: Path, stage: str) -> None:
    """Kill the demo with -9 in the middle of a stage.

    A quick stage may commit before the kill arrives, and of two that stand side by side the other may have run first:
    then its output is deleted, and it is tried again, now a moment after its task was started.
    """
    for attempt in range(20):
        for manifest in (folder / "ws" / stage).glob(f"[0-9a-f]*/{MANIFEST}"):
            shutil.rmtree(manifest.parent)
        kill_at_work(folder, stage, attempt)
        if not any((folder / "ws" / stage).glob(f"[0-9a-f]*/{MANIFEST}")):
            return
    raise AssertionError(f"{stage} was always done before the kill:\n{(folder / 'demo.log').read_text()}")


def kill_at_work(folder: Path, stage: str, attempt: int) -> None:
    """Start the demo, and kill it with -9 when a stage is seen at work; some are over before they are seen."""
    (folder / "run" / "kfp.log").unlink(missing_ok=True)
    process = start_demo(folder)
    while process.poll() is None:
        if at_work(folder / "ws" / stage) if attempt < 2 else has_started(folder, stage):
            time.sleep(0.02 * max(0, attempt - 2))
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_for_the_rest_to_die(folder)
            return
        time.sleep(0.001)


def at_work(stage: Path) -> bool:
    """Whether a stage is in the middle of its work: training has a checkpoint, any other something to keep."""
    if stage.name == "train":
        return any(stage.glob(".*/scratch/checkpoints/[0-9]*"))
    return any(stage.glob(".*/out"))


def has_started(folder: Path, stage: str) -> bool:
    """Whether kfp has said that it starts the stage's task."""
    log = folder / "run" / "kfp.log"
    said = log.read_text().splitlines() if log.exists() else []
    return any("Executing task" in line and f"'{stage.replace('_', '-')}'" in line for line in said)


def wait_for_the_rest_to_die(folder: Path) -> None:
    """Tasks and ranks are killed by the kernel with whoever started them; none may go on writing."""
    for _ in range(150):
        alive = [path for path in Path("/proc").glob("[0-9]*") if works_in(path, folder)]
        if not alive:
            return
        time.sleep(0.1)
    raise AssertionError(f"still running 15 s after the kill: {alive}")


def works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder and process.name != str(os.getpid())
    except OSError:
        return False


def outputs(folder: Path) -> dict[tuple[str, str], tuple[Path, dict[str, Any]]]:
    """File and metadata of each output artifact of the latest run, by (task, output).

    kfp.local keeps them where the backend's launcher finds them too: in the executor's output of each task.
    """
    latest = max((folder / "run" / "kfp").glob("platen-content-*"))
    found = {}
    for path in latest.glob("*/executor_output.json"):
        for name, listed in json.loads(path.read_bytes()).get("artifacts", {}).items():
            (artifact,) = listed["artifacts"]
            found[path.parent.name, name] = (path.parent / name, artifact["metadata"])
    return found


def copy_run(source: Path, target: Path) -> None:
    """A finished run, to go on from."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
