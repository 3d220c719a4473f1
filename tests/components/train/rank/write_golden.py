"""Writes the golden losses anew: those of the small run on two ranks in fp32, one a line.

python -m tests.components.train.rank.write_golden
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from platen.components.train.stage import STAGE
from platen.core.stage import run_stage
from tests.components.train.small_run import commit, losses, settings, write_base, write_encoded

GOLDEN = Path(__file__).parent / "golden" / "two-ranks-fp32.txt"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        encoded = commit(write_encoded, folder, "encode", "encoded")
        base = commit(write_base, folder, "base", "model")
        inputs = {"encoded": encoded.uri, "base": base.uri}
        found = losses(run_stage(STAGE, settings(deterministic=True), inputs, folder).folder)
    GOLDEN.write_text("".join(f"{step} {loss:.9g}\n" for step, loss in enumerate(found)))


if __name__ == "__main__":
    main()
