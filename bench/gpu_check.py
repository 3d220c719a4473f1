"""Check what only a GPU shows, print a table, and write it into docs/gpu.md.

    python -m bench.gpu_check                                 on a machine with a CUDA GPU: all parts
    python -m bench.gpu_check --device cpu --size tiny        the same code on CPUs; docs/gpu.md is left as it is
    python -m bench.gpu_check zero3-sd server-flux            some parts; as well

Each part has its own process and its own number of seconds, after which it is ended and counts as not measured. The
machine has to be otherwise idle. The exit code is 1 where a figure is not what it has to be or could not be measured,
2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.gpu.conditions import device_words, has_gpu
from bench.gpu.shapes import SHAPES
from bench.rows import Row, read_rows
from bench.run import markdown, replaced
from platen.core.processes import follow, start

DOCUMENT = Path(__file__).parents[1] / "docs" / "gpu.md"
COMMAND = "make gpu-check"
LIBRARIES = ("torch", "deepspeed", "diffusers")
MOST_SECONDS = 480  # of all parts together
PATIENCE_ON_CPUS = 5


@dataclass(frozen=True)
class Part:
    """One measurement.

    Attributes:
        title: What the table says where it printed no row.
        module: That is run, with the folder to work in and the size of models as its first arguments.
        seconds: That it may take on a GPU; on CPUs, where nothing is measured for its own sake, several times as many.
        shape: The model, where it is about one.
    """

    title: str
    module: str
    seconds: int
    shape: str = ""


PARTS = {
    "tests": Part("tests marked gpu", "bench.gpu.marked_tests", 80),
    "zero3-sd": Part("training at ZeRO-3, SD-shaped", "bench.gpu.zero3", 80, "sd"),
    "zero3-flux": Part("training at ZeRO-3, FLUX-shaped", "bench.gpu.zero3", 80, "flux"),
    "server-sd": Part("server at batch 1, SD-shaped", "bench.gpu.server", 50, "sd"),
    "server-flux": Part("server at batch 1, FLUX-shaped", "bench.gpu.server", 50, "flux"),
    "compiled-flux": Part("compiled against eager, FLUX-shaped", "bench.gpu.compiled", 130, "flux"),
}


def main(arguments: Sequence[str]) -> int:
    """Run what is requested; the exit code."""
    chosen = parse(arguments)
    if chosen.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not has_gpu():
        print(
            "gpu-check: there is no CUDA GPU here that torch can use. Accepted: a machine with one; or --device cpu "
            "--size tiny, which tries the code and writes nothing",
            file=sys.stderr,
        )
        return 2
    started, conditions = time.monotonic(), f"{device_words(chosen.device)}; {libraries()}"
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        patience = PATIENCE_ON_CPUS if chosen.device == "cpu" else 1
        found = [row for name in chosen.parts or PARTS for row in run(PARTS[name], folder, chosen.size, patience)]
    rows = [replace(row, how=f"{row.how}; {conditions}") for row in found]
    print(markdown(rows))
    if is_whole(chosen):
        text = section(rows, conditions, time.monotonic() - started)
        DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), text, COMMAND), encoding="utf-8")
    return int(any(row.ratio is None or row.met is False for row in rows))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is not accepted ends the process with exit code 2."""
    parser = argparse.ArgumentParser(prog="gpu-check", description="Check what only a GPU shows.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none: all")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="where everything runs")
    parser.add_argument("--size", choices=tuple(SHAPES), default="full", help="of the models")
    chosen = parser.parse_args(arguments)
    for name in chosen.parts:
        if name not in PARTS:
            parser.error(f"part {name!r}. Accepted: {', '.join(PARTS)}")
    return chosen


def is_whole(chosen: argparse.Namespace) -> bool:
    """Return whether a run's figures belong into the document: all of them, full size, from a GPU."""
    return chosen.device == "cuda" and chosen.size == "full" and not chosen.parts


def run(part: Part, folder: str, size: str, patience: int = 1) -> list[Row]:
    """Run a part in its own process; its rows, and one that says why where it did not end well.

    Args:
        part: What to run.
        folder: To work in.
        size: Of the models.
        patience: How many times the seconds of a part it may take.
    """
    arguments, seconds = [folder, size, part.shape] if part.shape else [], part.seconds * patience
    started, late = time.monotonic(), threading.Event()
    process = start([sys.executable, "-m", part.module, *arguments], {"PYTHONUNBUFFERED": "1"})

    def end() -> None:
        late.set()
        process.kill()  # the kernel ends what it started

    timer = threading.Timer(seconds, end)
    timer.start()
    printed: list[str] = []
    if process.stdout is not None:
        follow(process.stdout, lambda line: printed.append(line) or print(line, file=sys.stderr, flush=True))
    code = process.wait()
    timer.cancel()
    print(f"{part.title}: {time.monotonic() - started:.0f} s of {seconds}", file=sys.stderr, flush=True)
    rows = read_rows("\n".join(printed))
    if code == 0 and rows:
        return rows
    why = f"ended after the {seconds} s that it may take" if late.is_set() else ending(code, printed)
    return [*rows, Row(part.title, None, "", {}, why)]


def ending(code: int, printed: Sequence[str]) -> str:
    """Say how a part ended, with its last line."""
    last = next((line for line in reversed(printed) if line.strip()), "it printed nothing")
    return f"ended with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}: {last}"


def section(rows: Sequence[Row], conditions: str, seconds: float) -> str:
    """What stands between the document's marks."""
    head = f"Measured by `{COMMAND}` on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s: {conditions}."
    return f"{head}\n\n{markdown(list(rows))}"


def libraries() -> str:
    """The libraries' versions."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
