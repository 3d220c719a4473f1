"""Run the benchmarks one after the other, print a table, and write it into docs/benchmarks.md.

    python -m bench.run                 all of them
    python -m bench.run --short         all but the long ones; docs/benchmarks.md is left as it is
    python -m bench.run bench.imports   some; as well

The machine has to be otherwise idle. The exit code is 1 where a figure is not what it has to be, or a benchmark failed.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.rows import Row, Table, read_rows

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
COMMAND = "make bench"
SHORT = (
    "bench.imports",
    "bench.clean_images",
    "bench.near_duplicates",
    "bench.planner_speed",
    "bench.training.waiting",
    "bench.training.webdataset_loader",
    "bench.training.inline_latents",
    "bench.training.own_loop",
    "bench.training.zero3_export",
    "bench.training.saving",
    "bench.training.zero_ladder",
)
LONG = ("bench.planner_memory", "bench.demo_families")
LIBRARIES = ("torch", "deepspeed", "diffusers", "accelerate", "webdataset")
WORDS = {True: "yes", False: "no", None: ""}


def main(arguments: list[str]) -> int:
    """Run what is asked for; the exit code."""
    some = list(SHORT) if arguments == ["--short"] else arguments
    chosen = some or [*SHORT, *LONG]
    found = [(name, run(name)) for name in chosen]
    rows = [row for _, printed in found for row in printed or []]
    failed = [name for name, printed in found if not printed]
    print(markdown(rows))
    for name in failed:
        print(f"{name} failed")
    if not some and not failed:
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), section(rows)), encoding="utf-8")
    return int(bool(failed) or any(row.met is False for row in rows))


def run(module: str) -> list[Row] | None:
    """The rows of one benchmark; None where it failed or printed none."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    print(f"{module}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return None if done.returncode else read_rows(done.stdout)


def replaced(document: str, section: str, command: str = COMMAND) -> str:
    """A document with what is between a command's two marks replaced. Raises ValueError where it does not have both."""
    first, last = marks(command)
    before, begin, rest = document.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the document lacks {first} or, after it, {last}")
    return f"{before}{first}\n{section}\n{last}{after}"


def marks(command: str) -> tuple[str, str]:
    """The lines of a document between which a command writes."""
    return f"<!-- {command}: from here -->", f"<!-- {command}: to here -->"


def section(rows: list[Row]) -> str:
    """What stands between the markers."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"Measured by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {machine()}; {libraries}.\n\n{markdown(rows)}"


def machine() -> str:
    """The processor, its cores, memory and Python."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {name}, {memory:.0f} GiB of memory; Python {platform.python_version()}"


def markdown(rows: list[Row]) -> str:
    """A table of all rows, then how each was measured, with its own table."""
    head = ["What", "Figure", "Wanted", "Met"]
    whole = table(Table(head, [[row.row, number(row.ratio), row.bar, WORDS[row.met]] for row in rows]))
    return "\n\n".join([whole, *(detail(row) for row in rows)])


def detail(row: Row) -> str:
    """What a row's ratio was made of, and how it was measured."""
    parts = "; ".join(f"{name} {number(value)}" for name, value in row.parts.items())
    said = [f"{text[0].upper()}{text[1:]}." for text in (parts, row.how) if text]
    text = " ".join([f"**{row.row[0].upper()}{row.row[1:]}.**", *said])
    return f"{text}\n\n{table(row.table)}" if row.table else text


def table(of: Table) -> str:
    """A table in Markdown."""
    lines: Iterable[list[str]] = [of.head, ["---"] * len(of.head), *of.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Three significant digits; whole numbers as they are; None is not measured."""
    if value is None:
        return "not measured"
    return str(int(value)) if value == int(value) and abs(value) >= 10 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
