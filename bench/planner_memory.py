"""Predicted against measured memory of a rank, for models, ZeRO stages, batches, with and without checkpointing.

python -m bench.planner_memory            all configurations
python -m bench.planner_memory 0 5 9      some of them

Measured are the live bytes of all tensors that operations made, at the highest moment of three optimizer steps on each
rank, in processes of their own, on gloo, with the engine that components/train builds; other stages than 3 differ in
`stage` alone. The bucket for gradients is made small: DeepSpeed's own, 500 million numbers, would be most of the memory
of models that two CPU cores can train, and hide every error.
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

    def __str__(self) -> str:
        """A row's first cells."""
        checkpointing = "yes" if self.checkpointing else "no"
        return f"{self.model} | {self.stage} | {self.batch} x {self.side}² | {checkpointing} | {self.precision}"


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
        precision=case.precision,
        bucket=BUCKET,
        overlap=False,  # as train sets it on gloo
        accumulates=False,
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
    from platen.components.train.parallel.zero import bundle_small_modules, engine_config, init_processes
    from platen.components.train.settings import TrainSettings

    torch.set_num_threads(1)
    init_processes()
    settings = TrainSettings(
        global_batch=case.batch * RANKS, micro_batch=case.batch, ranks=RANKS, precision=case.precision
    )
    config = engine_config(settings)
    config["zero_optimization"] |= {"stage": case.stage, "reduce_bucket_size": BUCKET}
    with LiveBytes() as live:
        model = build_model(case, config)
        if case.stage == 3:
            bundle_small_modules(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.99))
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        average = [part.detach().clone() for part in owned(engine, case.stage)]
        live.peaks.clear()  # what building took is not what training takes
        for _ in range(3):
            train_step(engine, case)
            for mine, now in zip(average, owned(engine, case.stage), strict=True):
                mine.lerp_(now.detach(), 0.01)
        live.count(torch.empty(0))
    Path(f"{told}{dist.get_rank()}").write_text(json.dumps({"peak": live.peak, "standing": live.fixed}))
    dist.destroy_process_group()


def build_model(case: Case, config: dict[str, Any]) -> Any:
    """The UNet as train holds it; split from the start at stage 3."""
    from contextlib import nullcontext

    import deepspeed
    from diffusers import UNet2DConditionModel

    from platen.components.train.models.unet import Denoiser

    split = deepspeed.zero.Init(config_dict_or_path=config) if case.stage == 3 else nullcontext()
    with split:
        unet = UNet2DConditionModel.from_config(unet_config(case))
        model = Denoiser(unet, None)
    if case.checkpointing:
        unet.enable_gradient_checkpointing()
    return model


def owned(engine: Any, stage: int) -> list[Any]:
    """The fp32 weights that a rank updates, of which it keeps the average."""
    if stage == 3:
        return list(engine.optimizer.fp32_partitioned_groups_flat)
    if stage:
        return list(engine.optimizer.single_partition_of_fp32_groups)
    groups = getattr(engine.optimizer, "fp32_groups", None)
    return [part for group in groups for part in group] if groups else list(engine.module.parameters())


def train_step(engine: Any, case: Case) -> None:
    """Forward, backward and update with random numbers."""
    import torch

    dtype = torch.bfloat16 if case.precision == "bf16" else torch.float32
    latents = torch.randn(case.batch, 4, case.side, case.side)
    text = torch.randn(case.batch, TOKENS, WIDTH, dtype=dtype)
    prediction = engine(latents.to(dtype), torch.randint(1000, (case.batch,)), text)
    loss = torch.nn.functional.mse_loss(prediction.float(), latents)
    del prediction, latents, text
    engine.backward(loss)
    engine.step()


def seconds_of_a_plan() -> float:
    """Seconds to follow a model of 866 million parameters and to choose among all ways for 1,024 GPUs."""
    import diffusers  # noqa: F401 - imports are not counted
    from diffusers import UNet2DConditionModel  # noqa: F401 - diffusers imports when a name is asked for

    from platen.components.plan.choice import choose
    from platen.components.plan.prices import read_prices
    from platen.components.plan.settings import PlanSettings

    sd2 = {"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": True}
    settings = PlanSettings(
        gpus=1024,
        most_gpus=1024,
        global_batch=8192,
        stages=(0, 1, 2, 3),
        offloads=("none", "optimizer", "all"),
    )
    started = time.monotonic()
    facts = profile({"_class_name": "UNet2DConditionModel", "sample_size": 64, **sd2}, 64, 77, "bf16")
    choose(facts, read_prices(None), None, settings)
    return time.monotonic() - started


def main(chosen: list[str]) -> None:
    """Print the rows."""
    head = ["Model", "ZeRO", "Batch", "Checkpointing", "Precision", "Predicted, MiB", "Measured, MiB", "Error"]
    errors, lines = [], []
    for case in [CASES[int(number)] for number in chosen] or CASES:
        started = time.monotonic()
        memory, found = predicted(case), measured(case)
        error = memory.device / found["peak"] - 1
        errors.append(error)
        predicted_mib, measured_mib = f"{memory.device / MIB:.1f}", f"{found['peak'] / MIB:.1f}"
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
    how = "866 million parameters followed on the meta device, all ways compared; imports not counted"
    Row("seconds of a plan for 1,024 GPUs", seconds_of_a_plan(), "< 2", {}, how).tell()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        run_rank(Case(**json.loads(sys.argv[2])), sys.argv[3])
    else:
        main(sys.argv[1:])
