"""A base model and an encoded folder, small enough that a real ZeRO-3 run takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from platen.components.train.local import run_torchrun
from platen.components.train.settings import TrainSettings
from platen.dataset import Row, write_index

SAMPLES = 50


def write_encoded(folder: Path, samples: int = SAMPLES, shards: int = 2) -> None:
    rng = np.random.default_rng(0)
    for part in ("latents", "text"):
        (folder / part).mkdir(parents=True)
    np.save(folder / "unconditional.npy", rng.normal(size=(1, 4, 16)).astype(np.float32))
    for shard in range(shards):
        count = samples // shards
        np.save(folder / "latents" / f"{shard:05d}.npy", rng.normal(size=(count, 4, 8, 8)).astype(np.float32))
        np.save(folder / "text" / f"{shard:05d}.npy", rng.normal(size=(count, 4, 16)).astype(np.float32))
        rows = [Row(key=f"{shard}-{place}", caption="", split="train") for place in range(count)]
        write_index(folder, f"{shard:05d}", rows)


def write_base(folder: Path) -> None:
    import torch
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    ).save_pretrained(folder / "unet")
    DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text("{}")


def settings(**changes: object) -> TrainSettings:
    chosen: dict[str, object] = {
        "steps": 20,
        "global_batch": 8,
        "micro_batch": 2,
        "ranks": 2,
        "precision": "fp32",
        "learning_rate": 1e-3,
        "warmup_steps": 4,
        "ema_decay": 0.9,
        "checkpoint_every": 8,
        "log_every": 4,
    }
    return TrainSettings.model_validate({**chosen, **changes})


def write_job(work: Path, encoded: Path, base: Path, chosen: TrainSettings) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    job = work / "job.json"
    paths = {"encoded": str(encoded), "base": str(base), "work": str(work)}
    job.write_text(json.dumps({"settings": dict(chosen), **paths}))
    return job


def run(work: Path, encoded: Path, base: Path, chosen: TrainSettings) -> dict:
    run_torchrun(write_job(work, encoded, base, chosen), work, chosen)
    return json.loads((work / "result.json").read_bytes())
