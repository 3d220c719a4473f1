"""Bytes that a rank holds, for each way to split a model.

    python -m bench.training.zero_ladder

Live bytes of all tensors that operations made: what stands after three steps of the real trainer, and the highest
moment within them. On a CPU there is one memory: what is offloaded to the CPU is counted, what lies on the disk is not.
NVMe needs libaio's headers and g++, with which DeepSpeed compiles its extension the first time, for minutes; without
them that way is left out.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.rows import Row, Table
from bench.training.world import World, new_world, settings, tell, train_step, unet_config
from platen.components.train.node.worker import environment

MODULE = "bench.training.zero_ladder"
BATCH, SAMPLES, STEPS = 1, 16, 3
BUCKET = 1_000_000  # numbers; the usual one for gradients is larger than a model that two CPU cores can train
MIB = 2**20
CPU = {"stage": 3, "offload_optimizer": "cpu", "offload_parameters": "cpu"}
NVME = {"stage": 3, "offload_optimizer": "nvme", "offload_parameters": "nvme", "nvme_sub_group": 1_000_000}
WAYS: dict[str, dict[str, Any]] = {
    **{f"ZeRO-{stage}": {"stage": stage} for stage in range(4)},
    "ZeRO-3, offload to the CPU": CPU,
    "ZeRO-3, offload to NVMe": NVME,
    "ZeRO-3, hpZ of 2 ranks": {"stage": 3, "secondary_partition": 2},
}


def main() -> None:
    """Print the row: what stands at ZeRO-3 against what stands at ZeRO-0, and the table of all ways."""
    ways = {name: zero for name, zero in WAYS.items() if zero is not NVME or has_nvme()}
    with new_world(SAMPLES, unet_config()) as world:
        ranks = {name: measured(world, number, zero) for number, (name, zero) in enumerate(ways.items())}
    standing = {name: max(rank["standing"] for rank in found) / MIB for name, found in ranks.items()}
    Row(
        row="bytes that a rank holds between steps at ZeRO-3, against ZeRO-0",
        ratio=standing["ZeRO-3"] / standing["ZeRO-0"],
        bar="",
        parts={f"{name}, MiB": standing[name] for name in ("ZeRO-0", "ZeRO-3")},
        how=(
            f"the trainer of components/train, UNet of {ranks['ZeRO-3'][0]['parameters']} parameters, fp32, with its "
            f"average, 2 ranks, micro-batch {BATCH}, a bucket of {BUCKET} gradients; live bytes of all tensors that "
            f"operations made, over {STEPS} steps, of the rank that holds more; on a CPU what is offloaded to it is "
            "counted as well, and so are the buffers through which NVMe is read"
        ),
        table=Table(
            ["How the model is split", "between steps, MiB", "highest, MiB"],
            [[name, f"{standing[name]:.1f}", f"{highest(found):.1f}"] for name, found in ranks.items()],
        ),
    ).tell()


def has_nvme() -> bool:
    """Whether DeepSpeed can use the disk; its extension is compiled here, and not by two ranks at once."""
    os.environ.update(environment(settings()))
    from deepspeed.ops.op_builder import AsyncIOBuilder

    builder = AsyncIOBuilder()
    if not builder.is_compatible():
        return False
    builder.load(verbose=False)
    return True


def measured(world: World, number: int, zero: dict[str, Any]) -> list[dict[str, int]]:
    """What each rank found with one way."""
    place = world.folder / "nvme"
    place.mkdir(exist_ok=True)
    if "nvme" in zero.values():
        zero = {**zero, "nvme_path": str(place)}
    started = time.monotonic()
    found = world.run(MODULE, settings(global_batch=2, micro_batch=BATCH, zero=zero), name=f"run-{number}")
    print(zero, found[0], f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def highest(ranks: list[dict[str, int]]) -> float:
    """The highest moment of any rank, in MiB."""
    return max(rank["peak"] for rank in ranks) / MIB


def rank(path: str) -> None:
    """One rank: build as train does, some steps, tell what stands and the highest moment."""
    import torch

    from platen.components.plan.live_bytes import LiveBytes
    from platen.components.train.job import read_job
    from platen.components.train.parallel import zero
    from platen.components.train.rank.run import build

    zero.BUCKET = BUCKET
    job = read_job(path)
    with LiveBytes() as live:
        trainer = build(job, Path(path).parent)
        live.peaks.clear()  # what building took is not what training takes
        for step in range(STEPS):
            train_step(trainer, step)
        live.count(torch.empty(0))
    tell(job, {"standing": live.fixed, "peak": live.peak, "parameters": parameters(trainer.engine.module)})


def parameters(model: Any) -> int:
    """Numbers of a model, split or not."""
    return sum(getattr(each, "ds_numel", each.numel()) for each in model.parameters())


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["--rank"] else main()
