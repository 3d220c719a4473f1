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

from platen.components.train.models.lora import FOLDER, add_adapters, merge_adapters, read_adapted, write_adapters
from platen.components.train.models.unet import Denoiser, build_empty, read_weights
from platen.components.train.objectives.kinds import SCHEDULER
from platen.components.train.optimization.ema import Ema
from platen.components.train.parallel.whole import load_whole
from platen.components.train.settings import TrainSettings
from platen.errors import ExportError

TOLERANCE = {"fp32": 1e-4, "bf16": 5e-2, "fp16": 2e-2}  # relative error of a forward pass, live against exported

Probe = tuple[Tensor, Tensor, Tensor]  # noisy latents, timesteps, text


def export(engine: Any, ema: Ema, base: Path, out: Path, probe: Probe, settings: TrainSettings) -> float:
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
    with_text_encoder = engine.module.text_encoder is not None
    if dist.get_rank() == 0:
        write_folder(build_whole(state, base, settings, with_text_encoder=with_text_encoder), base, out)
    engine.eval()
    # a GPU's convolutions would else round fp32 to the 10 bits of TF32, which is more than the two may differ by
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        live = engine(*probe).float()
    problem: list[float | str] = [0.0]
    if dist.get_rank() == 0:
        problem = [compare(live, base, out, probe, with_text_encoder, TOLERANCE[settings.precision])]
    dist.broadcast_object_list(problem, src=0)
    if isinstance(problem[0], str):
        raise ExportError(problem[0])
    return problem[0]


def build_whole(state: dict[str, Tensor], base: Path, settings: TrainSettings, *, with_text_encoder: bool) -> Denoiser:
    """The trained model on the CPU, from the weights that were trained and, where those are adapters, the base's."""
    model = build_empty(base, with_text_encoder=with_text_encoder)
    if settings.lora:
        model.load_state_dict(read_weights(base, with_text_encoder=with_text_encoder), strict=False)
        add_adapters(model, settings.lora, settings.seed)
    model.load_state_dict(state, strict=False)  # buffers are not trained; a missing weight is caught below
    missing = {name for name, parameter in model.named_parameters() if parameter.requires_grad} ^ set(state)
    if missing:
        raise ExportError(f"{len(missing)} weights differ between the model and its export: {sorted(missing)[:3]}")
    return model


def write_folder(model: Denoiser, base: Path, out: Path) -> None:
    """The base folder with the trained parts in place of its own, and adapters beside them."""
    shutil.rmtree(out, ignore_errors=True)  # a half-written one of a killed attempt
    parts: dict[str, Any] = {"unet": model.unet, **({"text_encoder": model.text_encoder} if model.text_encoder else {})}
    for item in base.iterdir():
        if item.is_dir() and item.name not in (*parts, FOLDER):
            shutil.copytree(item, out / item.name)
    shutil.copy(base / "model_index.json", out / "model_index.json")
    if hasattr(model.unet, "peft_config"):
        write_adapters(model.unet, out)
        merge_adapters(model.unet)
    for name, part in parts.items():
        part.save_pretrained(out / name)


def write_scheduler(config: dict[str, Any], base: Path, out: Path) -> None:
    """The scheduler that samples from what was trained; nothing to do where it is the base's own."""
    if config == json.loads((base / SCHEDULER).read_bytes()):
        return
    (out / SCHEDULER).write_text(json.dumps(config, indent=2) + "\n")
    index = json.loads((out / "model_index.json").read_bytes())
    index["scheduler"] = ["diffusers", config["_class_name"]]
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def compare(
    live: Tensor, base: Path, out: Path, probe: Probe, with_text_encoder: bool, tolerance: float
) -> float | str:
    """The relative error of the folder's prediction, or what is wrong with it.

    Adapters in the folder, on the base's weights, must predict the same; and what they were merged into too, as
    closely as fp32 has it: in another precision the live model may be further off than the adapters moved it.
    """
    text_encoder = CLIPTextModel.from_pretrained(out / "text_encoder") if with_text_encoder else None
    unet = UNet2DConditionModel.from_pretrained(out / "unet", low_cpu_mem_usage=False)
    found = predict(Denoiser(unet, text_encoder), probe)
    checks = [(out, found, live.cpu(), tolerance)]
    if (out / FOLDER).is_dir():
        adapted = predict(Denoiser(read_adapted(base, out), text_encoder), probe)
        checks += [(out / FOLDER, adapted, live.cpu(), tolerance), (out / FOLDER, adapted, found, TOLERANCE["fp32"])]
    for what, ours, wanted, limit in checks:
        error = float((ours - wanted).norm() / wanted.norm())
        if not error <= limit:  # written so that NaN fails
            return f"{what}: its forward pass differs from the trained model's by {error:.2e} (> {limit:.0e})"
    return float((found - live.cpu()).norm() / live.cpu().norm())


@torch.no_grad()
def predict(model: Denoiser, probe: Probe) -> Tensor:
    """What a model on the CPU, in fp32, predicts of the probe."""
    latents, timesteps, text = (tensor.cpu() for tensor in probe)
    found: Tensor = model.eval()(latents.float(), timesteps, text.float() if text.is_floating_point() else text)
    return found
