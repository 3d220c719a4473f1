"""The trainer of components/train against a loop as diffusers' examples have it, at ZeRO-2: samples a second.

    python -m bench.training.own_loop

Both in the same two processes, on the same model, samples, batch and precision, a few steps each in turn.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

from bench.rows import Row
from bench.training.world import new_world, settings, tell, train_step, unet_config

MODULE = "bench.training.own_loop"
BATCH, SAMPLES, ROUNDS, STEPS = 4, 160, 12, 3


def main() -> None:
    """Print the row: the median of some rounds each, on the slower rank."""
    with new_world(SAMPLES, unet_config()) as world:
        chosen = settings(global_batch=2 * BATCH, micro_batch=BATCH, zero={"stage": 2})
        ranks = world.run(MODULE, chosen)
    rates = {way: 2 * BATCH * STEPS / max(median(rank[way]) for rank in ranks) for way in ranks[0]}
    Row(
        row="samples a second at ZeRO-2, against a loop of accelerate and DeepSpeed as in diffusers' examples",
        ratio=rates["own"] / rates["diffusers"],
        bar=">= 1.0",
        parts={f"{way}, samples/s": rate for way, rate in rates.items()},
        how=(
            "UNet of 13 million parameters, 32 × 32 latents, fp32, AdamW, min-SNR weights and an average of the "
            "weights in both; precomputed latents in both, theirs in memory; 2 ranks with a thread each, "
            f"micro-batch 4, no accumulation; both engines in the same processes, {ROUNDS} rounds of {STEPS} "
            "steps each in turn, median"
        ),
    ).tell()


def rank(path: str) -> None:
    """One rank: steps of each loop in turn; tell the seconds of each round."""
    from bench.training.diffusers_loop import DiffusersLoop
    from platen.components.train.job import read_job
    from platen.components.train.rank.run import build

    job = read_job(path)
    trainer = build(job, Path(path).parent)
    peer = DiffusersLoop(job, job.settings.zero.stage).steps()
    seconds: dict[str, list[float]] = {"own": [], "diffusers": []}
    for step in range(0, (ROUNDS + 1) * STEPS, STEPS):
        started = time.perf_counter()
        for number in range(step, step + STEPS):
            train_step(trainer, number)
        between = time.perf_counter()
        list(islice(peer, STEPS))
        seconds["own"].append(between - started)
        seconds["diffusers"].append(time.perf_counter() - between)
    tell(job, {way: found[1:] for way, found in seconds.items()})  # the first round warms up


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["--rank"] else main()
