"""Seconds that imports and `platen --help` take over a bare interpreter: the smallest of several runs each.

python -m bench.imports
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.rows import Row

LIGHT = ("ingest", "clean_text", "clean_images", "merge", "gate")
ROOT = Path(__file__).parents[1]
RUNS = 7


def seconds(*arguments: str) -> float:
    """The fastest of RUNS runs of the interpreter."""
    fastest = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        fastest = min(fastest, time.perf_counter() - started)
    return fastest


def modules(stage: str) -> list[str]:
    """Every module of a stage but its KFP interface."""
    names = sorted(path.stem for path in (ROOT / "components" / stage).glob("*.py"))
    return [f"platen.components.{stage}.{name}" for name in names if name not in ("component", "__init__")]


def main() -> None:
    """Print a row for the stages and one for the command."""
    bare = seconds("-c", "pass")
    stages = {stage: seconds("-c", "import " + ", ".join(modules(stage))) - bare for stage in LIGHT}
    how = f"smallest of {RUNS} runs"
    worst = max(stages.values())
    told = {f"{stage}, s": took for stage, took in stages.items()}
    more = f"{how}, over a bare interpreter of {bare:.3f} s"
    Row("seconds to import all modules of a light stage, of the slowest", worst, "< 0.4", told, more).tell()
    Row("seconds of platen --help", seconds("-m", "platen.cli", "--help"), "< 0.5", {}, how).tell()


if __name__ == "__main__":
    main()
