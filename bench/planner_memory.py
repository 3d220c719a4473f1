"""Predicted against measured memory of a rank, for models, ZeRO stages, batches, with and without checkpointing.

python -m bench.planner_memory            all configurations
python -m bench.planner_memory 0 5 9      some of them

Measured are the live bytes of all tensors that operations made, at the highest moment of three optimizer steps on each
rank, in processes of their own, on gloo, with the engine, the optimizer and the average that components/train builds.
The bucket for gradients is made small: train's own, 50 million numbers, would be most of the memory of models that two
CPU cores can train, and hide every error. What is offloaded lies in the same memory here: device and host together.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.rows import Row, Table
from platen.components.plan.memory import Layout, Memory, predict
from platen.components.plan.profile import profile
from platen.components.train.settings import TrainSettings

RANKS = 2
BUCKET = 1_000_000
TOKENS, WIDTH = 16, 64
CHANNELS = {"small": (32, 64), "middle": (64, 128), "large": (96, 192)}
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """One configuration."""

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


def unet_config(case: Case) -> dict[str, Any]:
    """A UNet with attention on its lower level."""
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": case.side,
        "block_out_channels": list(CHANNELS[case.model]),
        "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }


def predicted(case: Case) -> Memory:
    """What the planner says."""
    facts = profile(unet_config(case), case.side, TOKENS, case.precision)
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


def measured(case: Case) -> dict[str, int]:
    """Highest live bytes of the rank that had most, and what stood after the last step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={RANKS}"]
        told = Path(folder, "told")
        environment = {**os.environ, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
        done = subprocess.run(
            [*command, "-m", "bench.planner_memory", "--rank", json.dumps(asdict(case)), str(told)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        ranks = [json.loads(path.read_text()) for path in Path(folder).glob("told*")]
    return {name: max(rank[name] for rank in ranks) for name in ranks[0]}


def run_rank(case: Case, told: str) -> None:
    """One rank: build as train does, three steps, write down the highest moment."""
    import deepspeed
    import torch
    import torch.distributed as dist

    from platen.components.plan.live_bytes import LiveBytes
    from platen.components.train.optimization.ema import Ema
    from platen.components.train.optimization.optimizers import build_optimizer
    from platen.components.train.parallel.masters import masters_of
    from platen.components.train.parallel.zero import bundle_small_modules, engine_config, init_processes

    torch.set_num_threads(1)
    init_processes()
    settings = train_settings(case)
    config = engine_config(settings)
    config["zero_optimization"]["reduce_bucket_size"] = BUCKET
    with LiveBytes() as live:
        model = build_model(case, config)
        bundle_small_modules(model, settings)
        optimizer = build_optimizer(settings.optimizer, model)
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        ema = Ema(masters_of(engine), settings.ema)
        live.peaks.clear()  # what building took is not what training takes
        for step in range(3):
            for _ in range(case.rounds):
                micro_step(engine, case)
            ema.update(step)
        live.count(torch.empty(0))
    Path(f"{told}{dist.get_rank()}").write_text(json.dumps({"peak": live.peak, "standing": live.fixed}))
    dist.destroy_process_group()


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
    """The UNet as train holds it; split from the start at stage 3."""
    from contextlib import nullcontext

    import deepspeed
    from diffusers import UNet2DConditionModel

    from platen.families.diffusers_models import NetworkDenoiser
    from platen.families.stable_diffusion import FAMILY

    split = deepspeed.zero.Init(config_dict_or_path=config) if case.stage == 3 else nullcontext()
    with split:
        unet = UNet2DConditionModel.from_config(unet_config(case))
        model = NetworkDenoiser(FAMILY, unet)
    if case.checkpointing:
        unet.enable_gradient_checkpointing()
    return model


def micro_step(engine: Any, case: Case) -> None:
    """Forward and backward with random numbers; the update after a step's last one."""
    import torch

    dtype = torch.bfloat16 if case.precision == "bf16" else torch.float32
    latents = torch.randn(case.batch, 4, case.side, case.side)
    text = torch.randn(case.batch, TOKENS, WIDTH, dtype=dtype)
    prediction = engine(latents.to(dtype), torch.randint(1000, (case.batch,)), {"prompt_embeds": text})
    loss = torch.nn.functional.mse_loss(prediction.float(), latents)
    del prediction, latents, text
    engine.backward(loss)
    engine.step()


def main(chosen: list[str]) -> None:
    """Print the rows."""
    head = ["Model", "ZeRO", "Batch", "Checkpointing", "Precision", "Predicted, MiB", "Measured, MiB", "Error"]
    errors, lines = [], []
    for case in [CASES[int(number)] for number in chosen] or CASES:
        started = time.monotonic()
        memory, found = predicted(case), measured(case)
        whole = memory.device + memory.host
        error = whole / found["peak"] - 1
        errors.append(error)
        predicted_mib, measured_mib = f"{whole / MIB:.1f}", f"{found['peak'] / MIB:.1f}"
        lines.append([*str(case).split(" | "), predicted_mib, measured_mib, f"{error:+.1%}"])
        parts = {name: round(size / MIB, 1) for name, size in memory.parts().items() if size}
        told = f"{case}: standing {found['standing'] / MIB:.1f}, {parts}, {time.monotonic() - started:.0f} s"
        print(told, file=sys.stderr, flush=True)
    off = [abs(error) for error in errors]
    parts = {"configurations": len(errors), "worst": max(off), "most too low": max(0.0, -min(errors))}
    how = "live bytes of all tensors at the highest of three steps, of the rank that has more; 2 ranks on gloo"
    Row("error of the planner's memory, median", median(off), "<= 0.1", parts, how, Table(head, lines)).tell()
    Row("error of the planner's memory, worst", max(off), "<= 0.25", {}, "as above").tell()
    Row("planner's memory, most too low", max(0.0, -min(errors)), "<= 0.1", {}, "as above").tell()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        run_rank(Case(**json.loads(sys.argv[2])), sys.argv[3])
    else:
        main(sys.argv[1:])
