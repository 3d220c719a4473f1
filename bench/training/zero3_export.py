"""What is exported at ZeRO-3: by components/train, and by a loop as diffusers' examples have it.

python -m bench.training.zero3_export
"""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from bench.rows import Row, Table
from bench.training.world import World, new_world, settings, tell, unet_config

MODULE = "bench.training.zero3_export"
STEPS, SAMPLES = 3, 16
CONFIG = unet_config((32, 128), width=16, blocks=2)


def main() -> None:
    """Print the row."""
    with new_world(SAMPLES, CONFIG) as world:
        table = [own(world), peers(world)]
        whole = sum(numbers(world.folder / "base" / "unet"))
    share = {way: sum(found) / whole for way, found, _ in table}
    Row(
        row="share of the model's numbers in what is exported at ZeRO-3",
        ratio=share["components/train"],
        bar=">= 1.0",
        parts={f"{way}, share": found for way, found in share.items()},
        how=(
            f"UNet of {whole} parameters, 2 ranks, {STEPS} steps; then the file is read: parameters that are not "
            "empty, their numbers, and what a model loaded from it predicts against the live one"
        ),
        table=Table(
            ["Export of", "parameters that are not empty", "numbers", "forward pass"],
            [
                [way, f"{sum(map(bool, all_of))} of {len(all_of)}", f"{sum(all_of)}", said]
                for way, all_of, said in table
            ],
        ),
    ).tell()


def own(world: World) -> tuple[str, list[int], str]:
    """Ours: the numbers of each exported parameter, and how far off its forward pass is."""
    chosen = settings(steps=STEPS, global_batch=4, micro_batch=2, zero={"stage": 3})
    world.run(MODULE, chosen, "own", name="own")
    result = json.loads((world.folder / "own" / "result.json").read_bytes())
    unet = world.folder / "own" / "export" / "unet"
    return "components/train", numbers(unet), f"relative error {result['export_error']:.1e}"


def peers(world: World) -> tuple[str, list[int], str]:
    """Theirs: the numbers of each exported parameter, and what comes of loading it."""
    chosen = settings(steps=STEPS, global_batch=4, micro_batch=2, zero={"stage": 3})
    said = world.run(MODULE, chosen, "peer", name="peer")[0]
    return "accelerate, save_pretrained", numbers(world.folder / "peer" / "unet"), said


def numbers(unet: Path) -> list[int]:
    """How many numbers each parameter of a safetensors file holds."""
    from safetensors import safe_open

    with safe_open(unet / "diffusion_pytorch_model.safetensors", framework="pt") as file:
        return [file.get_tensor(name).numel() for name in file.keys()]  # noqa: SIM118 - it is no dictionary


def rank(path: str, way: str) -> None:
    """One rank of either way."""
    from platen.components.train.job import read_job

    job = read_job(path)
    if way == "own":
        from platen.components.train.rank.run import run

        run(job, Path(path).parent)
        tell(job, None)
    tell(job, run_peer(job))


def run_peer(job: Any) -> str:
    """A few steps of their loop, its export, and what a model loaded from it gives."""
    import torch
    from diffusers import UNet2DConditionModel

    from bench.training.diffusers_loop import DiffusersLoop
    from platen.components.train.parallel.zero import init_processes

    init_processes()
    loop = DiffusersLoop(job, job.settings.zero.stage)
    list(islice(loop.steps(), STEPS))
    out = Path(job.shared, "unet")
    loop.export(out)
    inputs = torch.randn(2, 4, 32, 32), torch.tensor([10, 500]), torch.randn(2, 77, CONFIG["cross_attention_dim"])
    live = loop.predict(inputs)
    try:
        read = UNet2DConditionModel.from_pretrained(out, low_cpu_mem_usage=False)
        with torch.no_grad():
            error = (read(*inputs, return_dict=False)[0] - live).norm() / live.norm()
    except (RuntimeError, ValueError, OSError) as fault:
        print(fault, file=sys.stderr)
        return f"none: it cannot be loaded ({type(fault).__name__})"
    return f"relative error {float(error):.1e}"


if __name__ == "__main__":
    rank(*sys.argv[2:4]) if sys.argv[1:2] == ["--rank"] else main()
