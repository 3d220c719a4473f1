"""Seconds of a training step while a checkpoint is saved, against the others of the same run.

    python -m bench.training.saving

A save lasts from the step after which it is due to the moment at which its index lies in its place; the steps that
overlap with it count as those of the save, the one that it begins in included.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import mean, median

from bench.rows import Row
from bench.training.world import new_world, settings, tell, unet_config

MODULE = "bench.training.saving"
CHANNELS = (64, 128, 256, 256)
BATCH, SAMPLES, EVERY, SAVES = 2, 64, 8, 12
STEPS = EVERY * SAVES + EVERY // 2


def main() -> None:
    """Print the row, from the rank on which it is worse."""
    with new_world(SAMPLES, unet_config(CHANNELS)) as world:
        checkpoints = {"every": EVERY, "keep_last": 100}
        chosen = settings(steps=STEPS, global_batch=2 * BATCH, micro_batch=BATCH, checkpoints=checkpoints)
        ranks = world.run(MODULE, chosen)
        saves = [end(world.folder / "run", EVERY * number) for number in range(1, SAVES + 1)]
    found = [split(rank["starts"], saves) for rank in ranks]
    during, others = max(found, key=lambda each: mean(each[0]) / mean(each[1]))
    Row(
        row="seconds of a step while a checkpoint is saved, against the others",
        ratio=mean(during) / mean(others),
        bar="<= 1.1",
        parts={
            "mean while saving, s": mean(during),
            "median": median(during),
            "longest": max(during),
            "steps while saving": len(during),
            "mean of the others, s": mean(others),
            "median of the others, s": median(others),
            "parameters": ranks[0]["parameters"],
        },
        how=(
            f"the trainer of components/train, ZeRO-3, fp32, 2 ranks with a thread each, on a local disk; {SAVES} "
            f"saves, one every {EVERY} steps; a save's steps are those from the one it is due after until "
            "its index is there"
        ),
    ).tell()


def end(shared: Path, step: int) -> tuple[int, float]:
    """The step that a checkpoint was due after, and when it was committed, in seconds since the epoch."""
    return step, (shared / "checkpoints" / f"{step:08d}" / "checkpoint.json").stat().st_mtime


def split(starts: list[float], saves: list[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """Seconds of the steps that overlap with a save, and of the others; the first ones warm up and are left out.

    Args:
        starts: When each step began, in seconds since the epoch; one more than the steps that count.
        saves: The step that each save was due after, and when it was committed.
    """
    during, others = [], []
    for step in range(2, len(starts) - 1):
        overlaps = any(due - 1 <= step and starts[step] < committed for due, committed in saves)
        (during if overlaps else others).append(starts[step + 1] - starts[step])
    return during, others


def rank(path: str) -> None:
    """One rank: train to the end; tell when each step began."""
    from platen.components.train.job import read_job
    from platen.components.train.parallel.whole import whole_count
    from platen.components.train.rank.run import build
    from platen.components.train.rank.trainer import Trainer

    job = read_job(path)
    trainer = build(job, Path(path).parent)
    starts: list[float] = []

    def step(*arguments: object) -> object:
        starts.append(time.time())
        return Trainer.step(trainer, *arguments)  # type: ignore[arg-type]

    trainer.step = step  # type: ignore[method-assign, assignment]
    trainer.train([])
    tell(job, {"starts": starts, "parameters": whole_count(trainer.engine.module)})


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["--rank"] else main()
