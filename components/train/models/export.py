"""From partitioned weights to a diffusers folder that was proven to be the model that was trained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from platen.artifacts.model import ModelRecord
from platen.components.train.data.batch import move_conditions
from platen.components.train.models.denoiser import Pretrained
from platen.components.train.models.lora import FOLDER, add_adapters, merge_adapters
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.whole import load_whole
from platen.components.train.settings import TrainSettings
from platen.core.errors import ExportError
from platen.families.layout import copy_licenses
from platen.tasks.diffusion.prediction_type import SCHEDULER

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 2e-2}  # relative error of a forward pass, live against exported

Probe = tuple[Tensor, Tensor, dict[str, Tensor]]  # noisy latents, timesteps, conditions


def export(
    engine: Any, ema: Ema, base: Pretrained, out: Path, probe: Probe, settings: TrainSettings, record: ModelRecord
) -> float:
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
        write_folder(build_whole(state, base, settings), base, out, record)
    engine.eval()
    # a GPU's convolutions would else round fp32 to the 10 bits of TF32, which is more than the two may differ by
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        live = engine(*probe).float()
    problem: list[float | str] = [0.0]
    if dist.get_rank() == 0:
        problem = [compare(live, base, out, probe, TOLERANCE[settings.precision])]
    dist.broadcast_object_list(problem, src=0)
    if isinstance(problem[0], str):
        raise ExportError(problem[0])
    return problem[0]


def build_whole(state: dict[str, Tensor], base: Pretrained, settings: TrainSettings) -> Any:
    """The trained model on the CPU, from the weights that were trained and, where those are adapters, the base's."""
    model = base.load() if settings.lora else base.build()
    if settings.lora:
        add_adapters(model, base.family, settings.lora, settings.seed)
    model.load_state_dict(state, strict=False)  # buffers are not trained; a missing weight is caught below
    missing = {name for name, parameter in model.named_parameters() if parameter.requires_grad} ^ set(state)
    if missing:
        raise ExportError(f"{len(missing)} weights differ between the model and its export: {sorted(missing)[:3]}")
    return model


def write_folder(model: Any, base: Pretrained, out: Path, record: ModelRecord) -> None:
    """Write the base folder with the trained parts in place of its own, and adapters beside them."""
    shutil.rmtree(out, ignore_errors=True)  # a half-written one of a killed attempt
    for item in base.folder.iterdir():
        if item.is_dir() and item.name not in (*base.parts, FOLDER):
            shutil.copytree(item, out / item.name)
    shutil.copy(base.folder / "model_index.json", out / "model_index.json")
    copy_licenses(base.folder, out)
    if hasattr(model.network, "peft_config"):
        base.family.save_adapters(model, base.folder, out / FOLDER)
        merge_adapters(model.network)
    base.family.set_resolution(model, base.folder, record.resolution)
    for name in base.parts:
        model.get_submodule(name).save_pretrained(out / name)
    record.write(out)


def write_scheduler(config: dict[str, Any], base: Path, out: Path) -> None:
    """The scheduler that samples from what was trained; nothing to do where it is the base's own."""
    if config == json.loads((base / SCHEDULER).read_bytes()):
        return
    (out / SCHEDULER).write_text(json.dumps(config, indent=2) + "\n")
    index = json.loads((out / "model_index.json").read_bytes())
    index["scheduler"] = ["diffusers", config["_class_name"]]
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def compare(live: Tensor, base: Pretrained, out: Path, probe: Probe, tolerance: float) -> float | str:
    """The relative error of the folder's prediction, or what is wrong with it.

    Adapters in the folder, on the base's weights, must predict the same; and what they were merged into too, as
    closely as fp32 has it: in another precision the live model may be further off than the adapters moved it.
    """
    found = predict(replace(base, folder=out).load(), probe)
    checks = [(out, found, live.cpu(), tolerance)]
    if (out / FOLDER).is_dir():
        beside = base.load()
        base.family.load_adapters(beside, out / FOLDER)
        adapted = predict(beside, probe)
        checks += [(out / FOLDER, adapted, live.cpu(), tolerance), (out / FOLDER, adapted, found, TOLERANCE["fp32"])]
    for what, ours, wanted, limit in checks:
        error = float((ours - wanted).norm() / wanted.norm())
        if not error <= limit:  # written so that NaN fails
            return f"{what}: its forward pass differs from the trained model's by {error:.2e} (> {limit:.0e})"
    return float((found - live.cpu()).norm() / live.cpu().norm())


@torch.no_grad()
def predict(model: Any, probe: Probe) -> Tensor:
    """Predict the probe on the CPU, in fp32."""
    noisy, timesteps, conditions = probe
    found: Tensor = model.eval()(
        noisy.float().cpu(), timesteps.cpu(), move_conditions(conditions, "cpu", torch.float32)
    )
    return found
