"""From partitioned weights to a diffusers folder that was proven to be the model that was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel

from platen.components.train.models.unet import Denoiser, build_empty
from platen.components.train.objectives.kinds import SCHEDULER
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.whole import load_whole
from platen.errors import ExportError

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 2e-2}  # relative error of a forward pass, live against exported

Probe = tuple[Tensor, Tensor, Tensor]  # noisy latents, timesteps, text


def export(engine: Any, ema: Ema, base: Path, out: Path, probe: Probe, precision: str) -> float:
    """Write the averaged weights as a diffusers folder and compare a forward pass with the live model. Collective.

    The live model takes over the average first, through its own partitions; then the folder is read back from disk,
    and both predict the probe.

    Returns:
        The relative error found.

    Raises:
        ExportError: The two differ by more than the precision explains.
    """
    state = ema.whole()
    load_whole(engine.module, state)
    if dist.get_rank() == 0:
        write_folder(engine.module, state, base, out)
    engine.eval()
    with torch.no_grad():
        live = engine(*probe).float()
    problem: list[float | str] = [0.0]
    if dist.get_rank() == 0:
        problem = [compare(live, out, probe, engine.module.text_encoder is not None, TOLERANCE[precision])]
    dist.broadcast_object_list(problem, src=0)
    if isinstance(problem[0], str):
        raise ExportError(problem[0])
    return problem[0]


def write_folder(model: Denoiser, state: dict[str, Tensor], base: Path, out: Path) -> None:
    """The base folder with the trained parts in place of its own."""
    with_text_encoder = model.text_encoder is not None
    trained = build_empty(base, with_text_encoder=with_text_encoder)
    trained.load_state_dict(state, strict=False)  # buffers are not trained; a missing weight is caught below
    missing = set(dict(trained.named_parameters())) ^ set(state)
    if missing:
        raise ExportError(f"{len(missing)} weights differ between the model and its export: {sorted(missing)[:3]}")
    parts = ["unet", "text_encoder"] if with_text_encoder else ["unet"]
    shutil.rmtree(out, ignore_errors=True)  # a half-written one of a killed attempt
    for item in base.iterdir():
        if item.is_dir() and item.name not in parts:
            shutil.copytree(item, out / item.name)
    shutil.copy(base / "model_index.json", out / "model_index.json")
    trained.unet.save_pretrained(out / "unet")  # type: ignore[operator]
    if with_text_encoder:
        trained.text_encoder.save_pretrained(out / "text_encoder")  # type: ignore[union-attr, operator]


def write_scheduler(config: dict[str, Any], base: Path, out: Path) -> None:
    """The scheduler that samples from what was trained; nothing to do where it is the base's own."""
    if config == json.loads((base / SCHEDULER).read_bytes()):
        return
    (out / SCHEDULER).write_text(json.dumps(config, indent=2) + "\n")
    index = json.loads((out / "model_index.json").read_bytes())
    index["scheduler"] = ["diffusers", config["_class_name"]]
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def compare(live: Tensor, out: Path, probe: Probe, with_text_encoder: bool, tolerance: float) -> float | str:
    """The relative error of the folder's prediction, or what is wrong with it."""
    read = Denoiser(
        UNet2DConditionModel.from_pretrained(out / "unet", low_cpu_mem_usage=False),
        CLIPTextModel.from_pretrained(out / "text_encoder") if with_text_encoder else None,
    ).eval()
    latents, timesteps, text = (tensor.cpu() for tensor in probe)
    with torch.no_grad():
        found = read(latents.float(), timesteps, text.float() if text.is_floating_point() else text)
    error = float((found - live.cpu()).norm() / live.cpu().norm())
    if not error <= tolerance:  # written so that NaN fails
        return (
            f"{out}: the exported model's forward pass differs from the live one's by {error:.2e} (> {tolerance:.0e})"
        )
    return error
