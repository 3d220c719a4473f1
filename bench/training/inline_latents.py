"""Samples a second on precomputed latents and embeddings, against encoding pictures and captions in every step.

    python -m bench.training.inline_latents

What it saves depends on how large the encoders are beside the UNet, and on what else a step does. Two trainings:
adapters (LoRA) of a UNet as large as Stable Diffusion's, with its encoders, which is what two cores can train of it;
and all weights of one with half of its width, encoders likewise. The floating-point operations are in the rows.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.rows import Row
from bench.training.world import SIDE, TOKENS, new_world, settings, tell, train_step, unet_config

MODULE = "bench.training.inline_latents"
SAMPLES, PIXELS = 32, 8 * SIDE


@dataclass(frozen=True)
class Size:
    """How large the three models are."""

    unet: tuple[int, ...]
    vae: tuple[int, ...]
    text: int


SD = Size((320, 640, 1280, 1280), (128, 256, 512, 512), 768)
HALF = Size((160, 320, 640, 640), (64, 128, 256, 256), 384)


@dataclass(frozen=True)
class Case:
    """A training: what of which models, how many samples a step and a rank at once, steps that are measured."""

    what: str
    size: Size
    lora: bool
    batch: int
    micro_batch: int
    rounds: int


CASES = {
    "lora": Case("adapters of Stable Diffusion 1's UNet", SD, lora=True, batch=4, micro_batch=2, rounds=3),
    "all": Case("all weights, half of its width", HALF, lora=False, batch=16, micro_batch=4, rounds=3),
}


def main() -> None:
    """Print a row a training: the median step of each way, on the slower rank."""
    for name, case in CASES.items():
        row(name, case).tell()


def row(name: str, case: Case) -> Row:
    """Measure one training."""
    with new_world(SAMPLES, unet_config(case.size.unet, case.size.text)) as world:
        lora = {"rank": 8} if case.lora else None
        chosen = settings(global_batch=case.batch, micro_batch=case.micro_batch, zero={"stage": 2}, lora=lora)
        ranks = world.run(MODULE, chosen, name)
    seconds = {way: max(median(rank[way]) for rank in ranks) for way in ranks[0]}
    done = operations(case.size, lora=case.lora)
    return Row(
        row=f"samples a second on precomputed latents, against encoding in every step: {case.what}",
        ratio=seconds["inline"] / seconds["precomputed"],
        bar=">= 1.4",
        parts={f"{way}, samples/s": case.batch / took for way, took in seconds.items()}
        | {f"{part}, GFLOP a sample": work for part, work in done.items()}
        | {"inline against precomputed, by operations": sum(done.values()) / done["UNet, forward and backward"]},
        how=(
            f"the trainer of components/train at {PIXELS} pixels, ZeRO-2, fp32, 2 ranks with a thread each, "
            f"{case.batch} samples a step, micro-batch {case.micro_batch}; inline each first goes through the "
            "autoencoder's encoder and the text encoder, from pixels and token ids in memory (decoding pictures is not "
            f"counted); {case.rounds} steps each in turn, median; operations by torch's counter on the meta device"
        ),
    )


def encoders(size: Size) -> tuple[Any, Any]:
    """Stable Diffusion's autoencoder and text encoder, of some width, with random weights."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel

    vae = AutoencoderKL(
        block_out_channels=size.vae,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        norm_num_groups=16,
    )
    wide = {"hidden_size": size.text, "intermediate_size": 4 * size.text}
    text = CLIPTextModel(CLIPTextConfig(**wide, num_hidden_layers=12, num_attention_heads=12))
    return vae.eval().requires_grad_(False), text.eval().requires_grad_(False)


def operations(size: Size, *, lora: bool) -> dict[str, float]:
    """Billions of floating-point operations a sample, by part; gradients of frozen weights are none."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_config(size.unet, size.text)).requires_grad_(not lora)
        vae, text = encoders(size)
        ids, pixels = torch.zeros(1, TOKENS, dtype=torch.long), torch.empty(1, 3, PIXELS, PIXELS)
        latents = torch.empty(1, 4, SIDE, SIDE, requires_grad=True)
        inputs = latents, torch.zeros(1, dtype=torch.long), torch.empty(1, TOKENS, size.text)
        return {
            "UNet, forward and backward": count(lambda: unet(*inputs).sample.sum().backward()),
            "autoencoder": count(lambda: vae.encode(pixels)),
            "text encoder": count(lambda: text(ids)),
        }


def count(work: Any) -> float:
    """Billions of floating-point operations of a piece of work."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


class Inline:
    """Samples that are encoded when they are read; the rest is as in the precomputed ones.

    Args:
        data: The precomputed ones.
        size: Of the encoders.
    """

    def __init__(self, data: Any, size: Size) -> None:
        rng = np.random.default_rng(0)
        self.data = data
        self.pictures = rng.integers(0, 256, (SAMPLES, 3, PIXELS, PIXELS), np.uint8)
        self.ids = rng.integers(0, 49000, (SAMPLES, TOKENS))
        self.vae, self.text = encoders(size)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the trainer asks of its data."""
        return getattr(self.data, name)

    def read(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Read latents and text of some samples, encoded now."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(self.pictures[indices]).float() / 127.5 - 1
            latents = self.vae.encode(pixels).latent_dist.mode() * self.vae.config.scaling_factor
            text = self.text(torch.from_numpy(self.ids[indices]))[0]
        return {"latents": latents.numpy(), "prompt_embeds": text.numpy()}


def rank(path: str, name: str) -> None:
    """One rank: a step on each kind of samples in turn; tell the seconds of each."""
    from platen.components.train.job import read_job
    from platen.components.train.rank.run import build

    job = read_job(path)
    trainer = build(job, Path(path).parent)
    ways: dict[str, Any] = {"precomputed": trainer.data, "inline": Inline(trainer.data, CASES[name].size)}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for step in range(CASES[name].rounds + 1):
        for way, trainer.data in ways.items():
            started = time.perf_counter()
            train_step(trainer, step)
            seconds[way].append(time.perf_counter() - started)
    tell(job, {way: found[1:] for way, found in seconds.items()})  # the first round warms up


if __name__ == "__main__":
    rank(*sys.argv[2:4]) if sys.argv[1:2] == ["--rank"] else main()
