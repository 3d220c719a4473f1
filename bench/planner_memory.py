"""Predicted against measured memory of a rank, for families, ZeRO stages, batches, with and without checkpointing.

python -m bench.planner_memory              all configurations
python -m bench.planner_memory 0 5 9        some of them
python -m bench.planner_memory families     those of the families after Stable Diffusion

Measured are the live bytes of all tensors that operations made, at the highest moment of three optimizer steps on each
of two ranks, on gloo, with the engine, the optimizer and the average that components/train builds.
The bucket for gradients is made small: train's own, 50 million numbers, would be most of the memory of models that two
CPU cores can train, and hide every error. What is offloaded lies in the same memory here: device and host together.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from bench.rows import Row, Table
from bench.small_networks import NETWORKS
from platen.components.plan.memory import Layout, Memory, predict
from platen.components.plan.profile import ModelFacts, profile
from platen.components.train.settings import TrainSettings
from platen.families.base import Family
from platen.families.registry import family_of_network

RANKS = 2
BUCKET = 1_000_000
TOKENS = 16
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """One configuration; the model is one of `bench.small_networks`, and `side` that of its latents."""

    model: str
    stage: int
    batch: int
    checkpointing: bool
    precision: str = "bf16"
    side: int = 16
    offload: str = "none"
    rounds: int = 1

    def __str__(self) -> str:
        """A row's first cells."""
        checkpointing = "yes" if self.checkpointing else "no"
        stage = f"{self.stage}" if self.offload == "none" else f"{self.stage}, {self.offload} offloaded"
        batch = f"{self.batch} x {self.side}²" + (f", {self.rounds} a step" if self.rounds > 1 else "")
        return f"{self.model} | {stage} | {batch} | {checkpointing} | {self.precision}"


CASES = (
    Case("small", 3, 2, False),
    Case("small", 3, 16, False),
    Case("small", 3, 16, True),
    Case("small", 2, 2, False),
    Case("small", 2, 16, True),
    Case("small", 1, 8, False),
    Case("small", 0, 8, False),
    Case("middle", 3, 2, False),
    Case("middle", 3, 8, False),
    Case("middle", 3, 8, True),
    Case("middle", 2, 8, False),
    Case("middle", 1, 2, False),
    Case("middle", 0, 2, True),
    Case("large", 3, 2, False),
    Case("large", 3, 4, True, "fp32"),
    Case("large", 2, 4, False, "fp32"),
    Case("large", 1, 4, False),
    Case("large", 0, 2, False, "fp32"),
    Case("middle", 2, 8, False, offload="optimizer"),
    Case("middle", 3, 2, False, offload="optimizer"),
    Case("middle", 3, 8, False, offload="all"),
    Case("middle", 1, 8, False, offload="optimizer"),
    Case("middle", 0, 4, False, rounds=2),
    Case("middle", 1, 4, False, rounds=2),
    Case("middle", 2, 4, False, rounds=2),
    Case("middle", 3, 4, False, rounds=2),
    Case("middle", 1, 4, False, offload="optimizer", rounds=2),
    Case("middle", 2, 4, False, offload="optimizer", rounds=2),
    Case("middle", 3, 4, False, offload="all", rounds=2),
)
FAMILIES = (
    Case("SDXL", 3, 8, False),
    Case("SDXL", 3, 8, True),
    Case("SDXL", 1, 4, False),
    Case("SD3", 3, 8, False),
    Case("SD3", 3, 16, True),
    Case("SD3", 2, 8, False),
    Case("PixArt-Σ", 3, 8, False),
    Case("PixArt-Σ", 3, 16, True),
    Case("PixArt-Σ", 0, 8, False),
    Case("FLUX.1", 3, 8, False),
    Case("FLUX.1", 3, 16, True),
    Case("FLUX.1", 2, 16, True),
    Case("FLUX.2 klein", 3, 8, False),
    Case("FLUX.2 klein", 3, 16, True),
    Case("FLUX.2 klein", 1, 8, False),
    Case("FLUX.2 dev", 3, 8, False, "fp32"),
    Case("FLUX.2 dev", 2, 16, True),
    Case("Qwen-Image", 3, 8, False),
    Case("Qwen-Image", 3, 16, True),
    Case("Qwen-Image", 0, 8, True),
    Case("Z-Image", 3, 8, False),
    Case("Z-Image", 3, 16, True),
    Case("Z-Image", 2, 8, False),
)


@cache
def followed(model: str, side: int, precision: str) -> ModelFacts:
    """A model as the planner knows it."""
    return profile(NETWORKS[model], side, TOKENS, precision)


def predicted(case: Case) -> Memory:
    """What the planner says."""
    facts = followed(case.model, case.side, case.precision)
    layout = Layout(
        stage=case.stage,
        ranks=RANKS,
        micro_batch=case.batch,
        checkpointing=case.checkpointing,
        offload=case.offload,
        precision=case.precision,
        bucket=BUCKET,
        overlap=False,  # as train sets it on gloo
        accumulates=case.rounds > 1,
    )
    return predict(facts, layout)


def measured(cases: Sequence[Case]) -> list[dict[str, int]]:
    """For each: highest live bytes of the rank that had most, and what stood after the last step.

    The same two processes run all of them: importing what trains takes longer than training models of this size.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={RANKS}"]
        environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
        done = subprocess.run(
            [*command, "-m", "bench.planner_memory", "--rank", json.dumps([asdict(case) for case in cases]), folder],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        ranks = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
    return [{name: max(rank[name] for rank in found) for name in found[0]} for found in zip(*ranks, strict=True)]


def run_rank(cases: Sequence[Case], folder: str) -> None:
    """One rank: all configurations in turn, then write down the figures of each."""
    import torch
    import torch.distributed as dist

    from platen.components.train.parallel.zero import init_processes

    torch.set_num_threads(1)
    init_processes()
    found = []
    for case in cases:
        found.append(live_bytes(case))
        gc.collect()  # engines refer to themselves
        Path(folder, str(dist.get_rank())).write_text(json.dumps(found))
    dist.destroy_process_group()


def live_bytes(case: Case) -> dict[str, int]:
    """Build as train does and take three steps: the highest moment, and what stands after them."""
    import deepspeed
    import torch

    from platen.components.plan.live_bytes import LiveBytes
    from platen.components.train.optimization.ema import Ema
    from platen.components.train.optimization.optimizers import build_optimizer
    from platen.components.train.parallel.masters import masters_of
    from platen.components.train.parallel.zero import bundle_small_modules, engine_config

    settings = train_settings(case)
    config = engine_config(settings)
    config["zero_optimization"]["reduce_bucket_size"] = BUCKET
    with LiveBytes() as live:
        model = build_model(case, config)
        bundle_small_modules(model.network, family_of(case).leaf_modules, settings)
        optimizer = build_optimizer(settings.optimizer, model)
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        ema = Ema(masters_of(engine), settings.ema)
        live.peaks.clear()  # what building took is not what training takes
        for step in range(3):
            for _ in range(case.rounds):
                micro_step(engine, case)
            ema.update(step)
        live.count(torch.empty(0))
    return {"peak": live.peak, "standing": live.fixed}


def train_settings(case: Case) -> TrainSettings:
    """What train would be told."""
    zero = {
        "stage": case.stage,
        "offload_optimizer": "none" if case.offload == "none" else "cpu",
        "offload_parameters": "cpu" if case.offload == "all" else "none",
    }
    batch = {"global_batch": case.batch * RANKS * case.rounds, "micro_batch": case.batch, "ranks": RANKS}
    return TrainSettings.model_validate({**batch, "precision": case.precision, "zero": zero})


def build_model(case: Case, config: dict[str, Any]) -> Any:
    """The network as train holds it; split from the start at stage 3."""
    from contextlib import nullcontext

    import deepspeed
    import diffusers

    getattr(diffusers, family_of(case).network_class)  # ZeRO changes tensors while it splits, which imports don't bear
    split = deepspeed.zero.Init(config_dict_or_path=config) if case.stage == 3 else nullcontext()
    with split:
        model = family_of(case).build_network(NETWORKS[case.model])
    if case.checkpointing:
        model.network.enable_gradient_checkpointing()
    return model


def family_of(case: Case) -> Family:
    """The family of a configuration's network."""
    return family_of_network(NETWORKS[case.model], Path(__file__))


def micro_step(engine: Any, case: Case) -> None:
    """Forward and backward with random numbers; the update after a step's last one."""
    import torch

    dtype = torch.bfloat16 if case.precision == "bf16" else torch.float32
    zeros, times, conditions = family_of(case).example(engine.module, case.batch, (case.side, case.side), TOKENS)
    given = {
        name: torch.randn(value.shape, dtype=dtype) if value.is_floating_point() else value
        for name, value in conditions.items()
    }
    latents = torch.randn_like(zeros)
    del zeros, conditions
    prediction = engine(latents.to(dtype), torch.randint_like(times, 1000), given)
    loss = torch.nn.functional.mse_loss(prediction.float(), latents)
    del prediction, latents, given
    engine.backward(loss)
    engine.step()


def choose(names: Sequence[str]) -> Sequence[Case]:
    """Those of some numbers, those of the newer families, or all."""
    if list(names) == ["families"]:
        return FAMILIES
    every = (*CASES, *FAMILIES)
    return [every[int(name)] for name in names] or every


def main(chosen: list[str]) -> None:
    """Print the rows."""
    head = ["Model", "ZeRO", "Batch", "Checkpointing", "Precision", "Predicted, MiB", "Measured, MiB", "Error"]
    cases = choose(chosen)
    errors, lines = [], []
    for case, found in zip(cases, measured(cases), strict=True):
        memory = predicted(case)
        whole = memory.device + memory.host
        error = whole / found["peak"] - 1
        errors.append(error)
        predicted_mib, measured_mib = f"{whole / MIB:.1f}", f"{found['peak'] / MIB:.1f}"
        lines.append([*str(case).split(" | "), predicted_mib, measured_mib, f"{error:+.1%}"])
        parts = {name: round(size / MIB, 1) for name, size in memory.parts().items() if size}
        print(f"{case}: standing {found['standing'] / MIB:.1f}, {parts}", file=sys.stderr, flush=True)
    off = [abs(error) for error in errors]
    parts = {"configurations": len(errors), "worst": max(off), "most too low": max(0.0, -min(errors))}
    how = "live bytes of all tensors at the highest of three steps, of the rank that has more; 2 ranks on gloo"
    Row("error of the planner's memory, median", median(off), "<= 0.1", parts, how, Table(head, lines)).tell()
    Row("error of the planner's memory, worst", max(off), "<= 0.25", {}, "as above").tell()
    Row("planner's memory, most too low", max(0.0, -min(errors)), "<= 0.1", {}, "as above").tell()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        run_rank([Case(**case) for case in json.loads(sys.argv[2])], sys.argv[3])
    else:
        main(sys.argv[1:])
