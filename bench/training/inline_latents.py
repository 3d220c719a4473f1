"""Samples a second on precomputed latents and embeddings, against encoding pictures and captions in every step.

    python -m bench.training.inline_latents

What it saves depends on how large the encoders are beside the UNet. Here all three are Stable Diffusion's with an
eighth of its width, at its 512 pixels; the floating-point operations of both are in the row, so that the choice can be
judged. Fewer pixels or samples at once would leave a step mostly to what goes by the parameter (update, messages).
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.rows import Row, Table
from bench.training.world import SMALL, TOKENS, WIDTH, new_world, settings, tell, train_step, unet_config

MODULE = "bench.training.inline_latents"
BATCH, SAMPLES, ROUNDS, STEPS = 4, 32, 5, 1
FULL = (320, 640, 1280, 1280)


@dataclass(frozen=True)
class Size:
    """How large the three models are, and the pictures."""

    unet: tuple[int, ...]
    vae: tuple[int, ...]
    text: int
    pixels: int


SD, HERE = Size(FULL, (128, 256, 512, 512), 768, 512), Size(SMALL, (16, 32, 64, 64), WIDTH, 512)


def main() -> None:
    """Print the row: the median of some rounds each, on the slower rank."""
    with new_world(SAMPLES, unet_config(side=HERE.pixels // 8)) as world:
        ranks = world.run(MODULE, settings(global_batch=2 * BATCH, micro_batch=BATCH, zero={"stage": 2}))
    seconds = {way: max(median(rank[way]) for rank in ranks) for way in ranks[0]}
    rates = {way: 2 * BATCH * STEPS / took for way, took in seconds.items()}
    work = {"Stable Diffusion 1 at 512 pixels": operations(SD), "measured here": operations(HERE)}
    Row(
        row="samples a second on precomputed latents, against encoding in every step",
        ratio=rates["precomputed"] / rates["inline"],
        bar=">= 1.4",
        parts={f"{way}, samples/s": rate for way, rate in rates.items()},
        how=(
            "the trainer of components/train, ZeRO-2, fp32, 2 ranks with a thread each, micro-batch 4; inline each "
            "step first runs the autoencoder's encoder and the text encoder on pixels and token ids in memory "
            f"(decoding pictures is not counted); {ROUNDS} rounds of {STEPS} steps each in turn, median; "
            "operations by torch's counter on the meta device"
        ),
        table=Table(
            ["GFLOP a sample", "UNet, forward and backward", "autoencoder", "text encoder", "inline / precomputed"],
            [
                [name, *(f"{part:.1f}" for part in parts), f"{sum(parts) / parts[0]:.2f}"]
                for name, parts in work.items()
            ],
        ),
    ).tell()


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


def operations(size: Size) -> list[float]:
    """Billions of floating-point operations a sample: UNet forward and backward, autoencoder, text encoder."""
    import torch
    from diffusers import UNet2DConditionModel

    side = size.pixels // 8
    with torch.device("meta"):
        unet = UNet2DConditionModel(**unet_config(size.unet, size.text, side=side))
        vae, text = encoders(size)
        ids, pixels = torch.zeros(1, TOKENS, dtype=torch.long), torch.empty(1, 3, size.pixels, size.pixels)
        inputs = torch.empty(1, 4, side, side), torch.zeros(1, dtype=torch.long), torch.empty(1, TOKENS, size.text)
        return [
            count(lambda: unet(*inputs).sample.sum().backward()),
            count(lambda: vae.encode(pixels)),
            count(lambda: text(ids)),
        ]


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
    """

    def __init__(self, data: Any) -> None:
        rng = np.random.default_rng(0)
        self.data = data
        self.pictures = rng.integers(0, 256, (SAMPLES, 3, HERE.pixels, HERE.pixels), np.uint8)
        self.ids = rng.integers(0, 49000, (SAMPLES, TOKENS))
        self.vae, self.text = encoders(HERE)

    def __getattr__(self, name: str) -> Any:
        """Whatever else the trainer asks of its data."""
        return getattr(self.data, name)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents and text of some samples, encoded now."""
        import torch

        with torch.inference_mode():
            pixels = torch.from_numpy(self.pictures[indices]).float() / 127.5 - 1
            latents = self.vae.encode(pixels).latent_dist.mode() * self.vae.config.scaling_factor
            text = self.text(torch.from_numpy(self.ids[indices]))[0]
        return latents.numpy(), text.numpy()


def rank(path: str) -> None:
    """One rank: steps on each kind of samples in turn; tell the seconds of each round."""
    from platen.components.train.job import read_job
    from platen.components.train.rank.run import build

    job = read_job(path)
    trainer = build(job, Path(path).parent)
    ways: dict[str, Any] = {"precomputed": trainer.data, "inline": Inline(trainer.data)}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for step in range(0, (ROUNDS + 1) * STEPS, STEPS):
        for way, trainer.data in ways.items():
            started = time.perf_counter()
            for number in range(step, step + STEPS):
                train_step(trainer, number)
            seconds[way].append(time.perf_counter() - started)
    tell(job, {way: found[1:] for way, found in seconds.items()})  # the first round warms up


if __name__ == "__main__":
    rank(sys.argv[2]) if sys.argv[1:2] == ["--rank"] else main()
