"""Seconds that imports and `platen --help` take over a bare interpreter: the smallest of several runs each.

python bench/imports.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

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
    """Print a line a stage, and one for the command."""
    bare = seconds("-c", "pass")
    print(f"bare interpreter {bare:.3f} s")
    for stage in LIGHT:
        took = seconds("-c", "import " + ", ".join(modules(stage))) - bare
        print(f"{'ok    ' if took < 0.4 else 'MISSED'} {stage:14} {took:.3f} s   wanted: below 0.4 s")
    took = seconds("-m", "platen.cli", "--help")
    print(f"{'ok    ' if took < 0.5 else 'MISSED'} platen --help  {took:.3f} s   wanted: below 0.5 s")


if __name__ == "__main__":
    main()
