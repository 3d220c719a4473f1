"""The server at batch 1: seconds from a request to its image, against the model alone.

    python -m bench.gpu.server FOLDER SIZE SHAPE

A server process as `deploy` starts it, asked by one client for an image at a time, and in turn the same images from the
same model in this process, which no server stands before.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.gpu.shapes import Shape
from bench.gpu.world import World
from bench.rows import Row
from platen.components.deploy.local_server import MODULE, LocalServer
from platen.components.serve.engine import Job
from platen.core.devices import fixed_threads
from platen.core.processes import start
from platen.core.stage import Folder

if TYPE_CHECKING:
    from platen.components.serve.sampler import DiffusionSampler

ROUNDS = 5
READY_SECONDS = 120.0  # the part's own budget ends it sooner
PRECISION = "bfloat16"
PROMPT = "a small red circle on a white background"
GUIDANCE = 4.0


def main(world: World) -> None:
    """Print the row: medians of some rounds each, the first of which warms up."""
    from platen.components.serve.sampler import load

    shape, model = world.shape, world.base()
    with fixed_threads(1), served(world, model) as url:
        alone = load(model.path, model.digest, "auto", PRECISION)
        seconds = [(from_server(url, shape, seed), by_itself(alone, shape, seed)) for seed in range(ROUNDS + 1)][1:]
    server, itself = (median(each) for each in zip(*seconds, strict=True))
    Row(
        row=f"seconds of an image from the server at batch 1, against the model alone, {shape.title}",
        ratio=server / itself,
        bar="<= 1.1",
        parts={"server, s": server, "model alone, s": itself, "server, images/s": 1 / server},
        how=(
            f"one client, one image at a time, {shape.resolution}² pixels, {shape.image_steps} steps, guidance "
            f"{GUIDANCE}, {PRECISION}, a CPU thread each; "
            f"from the request to the decoded PNG; {ROUNDS} rounds of an image each in turn, median"
        ),
    ).tell()


@contextmanager
def served(world: World, model: Folder) -> Iterator[str]:
    """Serve a model in a process of its own; its URL."""
    settings = world.folder / "serve.yaml"
    settings.write_text(json.dumps({"serve": {"precision": PRECISION}}))
    command = [sys.executable, "-m", MODULE, "--model", model.uri, "--settings", str(settings), "--port", "0"]
    log = str(world.folder / "requests.jsonl")
    server = LocalServer(start([*command, "--log", log], {"PLATEN_LOG": "json", "OMP_NUM_THREADS": "1"}))
    try:
        yield server.wait_until_ready(READY_SECONDS)
    finally:
        server.kill()


def from_server(url: str, shape: Shape, seed: int) -> float:
    """Seconds of a request."""
    import httpx

    size = f"{shape.resolution}x{shape.resolution}"
    body = {"prompt": PROMPT, "seed": seed, "steps": shape.image_steps, "guidance_scale": GUIDANCE, "size": size}
    started = time.perf_counter()
    answer = httpx.post(f"{url}/v1/images/generations", json=body, timeout=READY_SECONDS)
    answer.raise_for_status()
    base64.b64decode(answer.json()["data"][0]["b64_json"])
    return time.perf_counter() - started


def by_itself(sampler: DiffusionSampler, shape: Shape, seed: int) -> float:
    """Seconds of the same image, from the model in this process."""
    side = shape.resolution
    started = time.perf_counter()
    sampler.draw([Job(PROMPT, seed, side, side, shape.image_steps, GUIDANCE)], lambda: None)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(World(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
