"""The demo with each family that `base` makes a tiny model of: how many images are right, and how long it took.

    python -m bench.demo_families                              all of them, in a temporary folder
    python -m bench.demo_families runs/families pixart-sigma   in a folder that is kept; only some

Each run is `platen demo` from the start, in a workspace of its own. Images are judged by their pixels
(components/sample/judge.py), not by a model.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.rows import Row, Table
from platen.components.sample.judge import judge_folder

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DEMO = "stable-diffusion"  # the family of demo.yaml itself
HEAD = ["Family", "Parameters", "Color and shape right", "Chain", "base", "train"]


def main(arguments: list[str]) -> int:
    """Run the demos and print a row."""
    if arguments:
        print_row(Path(arguments[0]), arguments[1:] or every_family())
        return 0
    with tempfile.TemporaryDirectory(prefix="families-") as folder:
        print_row(Path(folder), every_family())
    return 0


def every_family() -> list[str]:
    """Name the family of the demo and those of the files beside it."""
    return [DEMO, *sorted(path.stem.removeprefix("demo-") for path in EXAMPLES.glob("demo-*.yaml"))]


def print_row(folder: Path, names: list[str]) -> None:
    """Print the worst share of right images, and a table of all families."""
    summaries = {name: run_demo(name, folder / name) for name in names}
    right = {name: judge_folder(Path(summary["generated"]["folder"])).right for name, summary in summaries.items()}
    Row(
        row="images of the demo with the right color and shape, the worst of its families",
        ratio=min(right.values()),
        bar=">= 0.8",
        parts={f"{name} chain s": summary["seconds"] for name, summary in summaries.items()},
        how="the demo by examples/demo.yaml and examples/demo-FAMILY.yaml, each in a workspace of its own; the pixel "
        "judge on 48 images of 24 prompts",
        table=Table(HEAD, [row(name, summaries[name], right[name]) for name in names]),
    ).tell()


def run_demo(name: str, folder: Path) -> dict[str, Any]:
    """Run the demo of a family and return the run's summary."""
    files = [EXAMPLES / "demo.yaml", *([] if name == DEMO else [EXAMPLES / f"demo-{name}.yaml"])]
    given = [argument for path in files for argument in ("--settings", str(path))]
    places = ["--run", str(folder), "--workspace", str(folder / "workspace")]
    subprocess.run([sys.executable, "-m", "platen.cli", "demo", *given, *places], check=True, stdout=sys.stderr)
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return summary


def row(name: str, summary: dict[str, Any], right: float) -> list[str]:
    """Return a line of the table."""
    seconds = {stage["name"]: stage["seconds"] for stage in summary["stages"]}
    times = [f"{value:.0f} s" for value in (summary["seconds"], seconds["base"], seconds["train"])]
    return [name, f"{summary['zero']['parameters']:,}", f"{right:.0%}", *times]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
