"""Training on this machine: torchrun, one process a rank, gloo where there is no GPU."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from platen.components.train.settings import TrainSettings
from platen.errors import PlatenError, ProcessError, revive
from platen.processes import follow, start
from platen.telemetry import PLAIN, log

NOISE = ("[WARNING]", "[INFO]", "[W", "INFO ", "built successfully")


def run_torchrun(job: Path, work: Path, settings: TrainSettings) -> None:
    """Run the training entry point with `settings.ranks` processes and wait for its end.

    Raises:
        PlatenError: What a rank raised, as it raised it.
        ProcessError: A rank died without saying why; its last lines are in the message.
    """
    (work / "error.json").unlink(missing_ok=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={settings.ranks}"]
    with start([*torchrun, "-m", "platen.components.train.main", str(job)], environment(settings)) as process:
        last = follow(process.stdout, say) if process.stdout else []
    if process.returncode == 0:
        return
    raise failure(work) or ProcessError(
        f"training ended with exit code {process.returncode}; its last lines:\n" + "\n".join(last[-15:])
    )


def environment(settings: TrainSettings) -> dict[str, str]:
    """What the ranks need to be told by environment: threads, DeepSpeed's accelerator, where ninja is."""
    scripts = str(Path(sys.executable).parent)
    return {
        "OMP_NUM_THREADS": str(settings.threads),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "PLATEN_LOG": PLAIN,
        **({} if has_gpu() else {"DS_ACCELERATOR": "cpu"}),
    }


def has_gpu() -> bool:
    """Whether training will run on a GPU (asked of the driver, without importing torch)."""
    return Path("/proc/driver/nvidia/version").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") != ""


def failure(work: Path) -> PlatenError | None:
    """The error that a rank left behind."""
    try:
        said = json.loads((work / "error.json").read_bytes())
    except (OSError, ValueError):
        return None
    return revive(said["type"], said["message"])


def say(line: str) -> None:
    """Pass on a rank's line, unless it is one of the libraries' standing remarks."""
    if line.strip() and not any(noise in line for noise in NOISE):
        log.info("%s", line)
