"""Write a Stable Diffusion folder as one file with the names of the original code (CompVis), as trainers publish it."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import load_file, save_file

BLOCKS = 1  # layers per block, as in the tiny model
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0"}
RESNET |= {"conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0"}
UNET |= {"time_embedding.linear_2": "time_embed.2", "conv_norm_out": "out.0", "conv_out": "out.2"}


def write_single_file(folder: Path, out: Path) -> None:
    unet = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    attended = {name[:11] for name in unet if re.match(r"up_blocks\.\d\.attentions", name)}
    levels = 1 + max(int(name.split(".")[2]) for name in vae if name.startswith("decoder.up_blocks"))
    weights = {f"model.diffusion_model.{_unet(name, attended)}": weight for name, weight in unet.items()}
    weights |= {f"first_stage_model.{_vae(name, levels)}": weight for name, weight in vae.items()}
    for name, weight in text.items():
        weights[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = weight
    save_file({name: weight.contiguous() for name, weight in weights.items()}, out)


def _unet(name: str, attended: set[str]) -> str:
    for ours, theirs in UNET.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    part, *rest = name.split(".")
    if part == "mid_block":
        kind, layer, *inner = rest
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(layer)}"
        return f"{place}.{_layer(kind, inner)}"
    block, kind, layer, *inner = rest
    if part == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(int(block) + 1) * (BLOCKS + 1)}.0.op.{inner[-1]}"
        return f"input_blocks.{int(block) * (BLOCKS + 1) + int(layer) + 1}.{_slot(kind)}.{_layer(kind, inner)}"
    if kind == "upsamplers":
        slot = 2 if f"up_blocks.{block}" in attended else 1
        return f"output_blocks.{int(block) * (BLOCKS + 1) + BLOCKS}.{slot}.conv.{inner[-1]}"
    return f"output_blocks.{int(block) * (BLOCKS + 1) + int(layer)}.{_slot(kind)}.{_layer(kind, inner)}"


def _slot(kind: str) -> int:
    return 1 if kind == "attentions" else 0


def _layer(kind: str, inner: list[str]) -> str:
    return ".".join([RESNET[inner[0]], *inner[1:]] if kind == "resnets" else inner)


def _vae(name: str, levels: int) -> str:
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
