"""A base model and encoded samples to train on, and ranks that run a function of a benchmark on them.

Two ranks on gloo with one thread each, as components/train starts them. Everything is random but has the shapes of
Stable Diffusion at 256 pixels: latents of 4 x 32 x 32, captions of 77 tokens.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from platen.artifacts.dataset import Row
from platen.artifacts.encoded import LATENTS, EncodedRecord, describe_arrays, write_empty_caption, write_shard
from platen.components.train.job import Job, encode
from platen.components.train.node.worker import environment
from platen.components.train.settings import TrainSettings
from platen.core.settings import over

RANKS = 2
SIDE, TOKENS, WIDTH = 32, 77, 96
SMALL = (40, 80, 160, 160)  # widths of Stable Diffusion's UNet, divided by 8: 13 million parameters


def write_encoded(
    folder: Path, samples: int, shards: int, width: int = WIDTH, dtype: str = "float32", side: int = SIDE
) -> None:
    """An encoded folder as the encode stage leaves it."""
    rng = np.random.default_rng(0)
    write_empty_caption(folder, {"prompt_embeds": rng.normal(size=(TOKENS, width)).astype(dtype)})
    for shard in range(shards):
        count = samples // shards
        latents, text = (count, 4, side, side), (count, TOKENS, width)
        arrays = {
            LATENTS: rng.standard_normal(latents, np.float32).astype(dtype),
            "prompt_embeds": rng.standard_normal(text, np.float32).astype(dtype),
        }
        rows = [Row(key=f"{shard:05d}{place:06d}", caption="", split="train") for place in range(count)]
        write_shard(folder, f"{shard:05d}", arrays, rows, frozenset())
    EncodedRecord(
        family="stable-diffusion",
        text="embeddings",
        max_tokens=TOKENS,
        resolution=8 * side,
        arrays=describe_arrays(folder, frozenset()),
    ).write(folder)


def unet_config(
    channels: Sequence[int] = SMALL, width: int = WIDTH, blocks: int = 4, side: int = SIDE
) -> dict[str, Any]:
    """The configuration of Stable Diffusion's UNet, narrower; with fewer blocks it is also less deep."""
    down, up = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    return {
        "sample_size": side,
        "block_out_channels": tuple(channels[:blocks]),
        "down_block_types": (down,) * (blocks - 1) + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + (up,) * (blocks - 1),
        "cross_attention_dim": width,
        "attention_head_dim": max(1, channels[0] // 40),  # heads: each is as wide as Stable Diffusion's, not narrower
        "norm_num_groups": 8,
    }


def write_base(folder: Path, config: dict[str, Any]) -> None:
    """A base model with random weights."""
    import torch
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(**config).save_pretrained(folder / "unet")
    DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text('{"block_out_channels": [4, 4, 4, 4]}')


def settings(**changes: Any) -> TrainSettings:
    """Those of a benchmark; what changes a section leaves the rest of it as it is."""
    chosen: dict[str, Any] = {
        "steps": 1000,
        "global_batch": 8,
        "micro_batch": 4,
        "ranks": RANKS,
        "precision": "fp32",
        "checkpoints": {"every": 1000},
        "log_every": 1000,
    }
    return TrainSettings.model_validate(over(chosen, changes))


@dataclass(frozen=True)
class World:
    """A folder with `base`, `encoded`, and room for what a run writes."""

    folder: Path

    def job(self, chosen: TrainSettings, name: str) -> Job:
        """A job whose inputs lie here."""
        shared = self.folder / name
        shared.mkdir(exist_ok=True)
        encoded, base = str(self.folder / "encoded"), str(self.folder / "base")
        return Job(settings=chosen, encoded=encoded, base=base, shared=str(shared), records=str(shared / "records"))

    def run(self, module: str, chosen: TrainSettings, *arguments: str, name: str = "run") -> list[Any]:
        """What each rank of `python -m MODULE --rank JOB ARGUMENTS...` told, by rank."""
        job = self.job(chosen, name)
        file = Path(job.shared, "job.json")
        file.write_bytes(encode(job))
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={chosen.ranks}"]
        command = [sys.executable, *torchrun, "-m", module, "--rank", str(file), *arguments]
        env = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **environment(chosen)}
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{module}: a rank failed\n{done.stdout[-6000:]}")
        return [json.loads(Path(job.shared, f"told-{rank}.json").read_text()) for rank in range(chosen.ranks)]


def tell(job: Job, told: Any) -> None:
    """Leave what a rank found for `World.run`, and end it without the libraries' teardown."""
    import torch.distributed as dist

    Path(job.shared, f"told-{dist.get_rank()}.json").write_text(json.dumps(told))
    dist.barrier()
    os._exit(0)


def train_step(trainer: Any, step: int) -> None:
    """One step of the trainer of components/train, outside of its loop."""
    trainer.step(step, [])


@contextmanager
def new_world(samples: int, config: dict[str, Any]) -> Iterator[World]:
    """A world in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        world = World(Path(folder))
        width, side = config["cross_attention_dim"], config["sample_size"]
        write_encoded(world.folder / "encoded", samples, 2, width, side=side)
        write_base(world.folder / "base", config)
        yield world
