"""Training with torch.compile against training without, at ZeRO-2: the train stage does not compile at ZeRO-3.

python -m bench.gpu.compiled FOLDER SIZE SHAPE
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.gpu.world import WINDOWS, World
from bench.rows import Row


def main(world: World) -> None:
    """Print the row."""
    shape = world.shape
    eager = world.train("eager", zero={"stage": 2})
    compiled = world.train("compiled", zero={"stage": 2}, compile=True)
    first = f"seconds of the first {shape.steps // WINDOWS} steps"
    Row(
        row=f"images a second compiled, against eager, {shape.title}",
        ratio=compiled.rate / eager.rate,
        bar=">= 1.0",
        parts={
            "compiled, images/s": compiled.rate,
            "eager, images/s": eager.rate,
            f"{first}, compiled": compiled.first_window,
            f"{first}, eager": eager.first_window,
        },
        how=(
            f"the train stage with and without train.compile, one after the other, ZeRO-2 on one device, bf16; "
            f"{eager.parameters} parameters, {shape.sizes}; {shape.steps} steps each, median of the last "
            f"{WINDOWS - 1} of {WINDOWS} equal parts"
        ),
    ).tell()


if __name__ == "__main__":
    main(World(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
