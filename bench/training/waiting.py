"""Share of a training step that is spent on getting its samples: the real trainer, two ranks.

python -m bench.training.waiting
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.rows import Row
from bench.training.world import new_world, settings, tell, train_step, unet_config

MODULE = "bench.training.waiting"
STEPS, BATCH, SAMPLES = 12, 4, 400
TEXT_WIDTH = 768  # Stable Diffusion's, so that as much is read for a sample as there


def main() -> None:
    """Print the row."""
    with new_world(SAMPLES, unet_config(width=TEXT_WIDTH)) as world:
        evict(world.folder / "encoded")
        ranks = world.run(MODULE, settings(global_batch=2 * BATCH, micro_batch=BATCH))
    reading, whole = (max(rank[part] for rank in ranks) for part in ("reading", "whole"))
    Row(
        row="share of a training step that waits for data",
        ratio=reading / whole,
        bar="< 0.02",
        parts={"seconds reading": reading, "seconds training": whole, "steps": STEPS, "samples a rank and step": BATCH},
        how=(
            "the trainer of components/train, ZeRO-3, fp32, 2 ranks with a thread each, UNet of 13 million parameters "
            f"at 32 × 32 latents, captions of 77 × {TEXT_WIDTH} numbers; the rank that read longer; reading is "
            "EncodedDataset.read and the tensors made of it; the files were put out of the page cache before"
        ),
    ).tell()


def evict(folder: Path) -> None:
    """Have the first read of every file go to the disk."""
    for path in folder.rglob("*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Timed:
    """The encoded samples; how long reading them took, the tensors of the trainer included.

    Args:
        data: What is read from.
    """

    def __init__(self, data: Any) -> None:
        self.data = data
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        """Whatever else the trainer asks of its data."""
        return getattr(self.data, name)

    def read(self, indices: Any) -> Any:
        """Read, and do once more what the trainer does with it to have tensors."""
        import torch

        started = time.perf_counter()
        arrays = self.data.read(indices)
        [torch.from_numpy(array).float() for array in arrays.values()]
        self.seconds += time.perf_counter() - started
        return arrays


def rank(path: str) -> None:
    """One rank: train, and tell the seconds spent on reading and altogether; the first step is not counted."""
    from platen.components.train.job import read_job
    from platen.components.train.rank.run import build

    job = read_job(path)
    trainer = build(job, Path(path).parent)
    data = trainer.data = Timed(trainer.data)  # type: ignore[assignment]
    train_step(trainer, 0)
    data.seconds, started = 0.0, time.perf_counter()
    for step in range(1, STEPS + 1):
        train_step(trainer, step)
    tell(job, {"reading": data.seconds, "whole": time.perf_counter() - started})


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["--rank"] else main()
