"""A base model and an encoded folder, small enough that a real ZeRO-3 run takes seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from platen.artifacts.dataset import Row
from platen.artifacts.encoded import LATENTS, EncodedRecord, describe_arrays, write_empty_caption, write_shard
from platen.artifacts.metadata import EncodedMetadata, Metadata, ModelMetadata
from platen.components.train.job import write_job
from platen.components.train.node.local import run_here
from platen.components.train.settings import TrainSettings
from platen.core.manifest import Json, Kind
from platen.core.settings import Settings, over
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage

SAMPLES = 50


def write_encoded(
    folder: Path,
    samples: int = SAMPLES,
    shards: int = 2,
    width: int | None = 16,
    sizes: Sequence[tuple[int, int]] = ((8, 8),),
    sources: Sequence[str] = ("pictures",),
) -> None:
    """Random arrays: shards have the sizes (of latents, height and width) in turn, samples the sources in turn.

    Captions of 4 tokens: embeddings of a width, or ids where there is none.
    """
    rng = np.random.default_rng(0)

    name = "input_ids" if width is None else "prompt_embeds"

    def text(count: int) -> np.ndarray:
        if width is None:
            return rng.integers(1, 20, size=(count, 4), dtype=np.int32)
        return rng.normal(size=(count, 4, width)).astype(np.float32)

    write_empty_caption(folder, {name: text(1)[0]})
    for shard in range(shards):
        count = samples // shards
        height, wide = sizes[shard % len(sizes)]
        latents = rng.normal(size=(count, 4, height, wide)).astype(np.float32)
        rows = [
            Row(
                key=f"{shard}-{place}",
                caption="",
                width=8 * wide,
                height=8 * height,
                source=f"{sources[place % len(sources)]}/{place}.png",
                split="train",
            )
            for place in range(count)
        ]
        write_shard(folder, f"{shard:05d}", {LATENTS: latents, name: text(count)}, rows, frozenset())
    write_record(folder, "embeddings" if width else "tokens")


def write_record(folder: Path, text: Literal["embeddings", "tokens"] = "embeddings") -> None:
    """Describe the arrays that lie there as those of Stable Diffusion."""
    arrays = describe_arrays(folder, frozenset())
    family = "stable-diffusion"
    EncodedRecord(family=family, text=text, max_tokens=4, resolution=64, arrays=arrays).write(folder)


def write_base(folder: Path, widths: tuple[int, int] = (16, 32)) -> None:
    import torch
    from diffusers import DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    ).save_pretrained(folder / "unet")
    DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear").save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text('{"block_out_channels": [4, 4, 4, 4]}')


def settings(**changes: Any) -> TrainSettings:
    """Those of a small run; what changes a section leaves the rest of it as it is."""
    chosen: dict[str, Any] = {
        "steps": 20,
        "global_batch": 8,
        "micro_batch": 2,
        "ranks": 2,
        "precision": "fp32",
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 4},
        "ema": {"decay": 0.9},
        "checkpoints": {"every": 8},
        "log_every": 4,
    }
    return TrainSettings.model_validate(over(chosen, changes))


FACTS: Mapping[Kind, Metadata] = {
    "encoded": EncodedMetadata(text="embeddings", resolution=64, splits={"train": SAMPLES}),
    "model": ModelMetadata(resolution=64),
}


def commit(
    write: Callable[[Path], None], workspace: Path | str, name: str, kind: Kind, facts: Mapping[str, Json] | None = None
) -> Folder:
    """What a function writes, as the committed folder of a stage with these facts in its manifest."""

    def work(settings: Settings, inputs: Inputs, place: Place) -> Outcome:
        write(place.out)
        return Outcome(facts={**(FACTS[kind].facts() if kind in FACTS else {}), **(facts or {})})

    return run_stage(Stage(name, 1, kind, Settings, {}, work), Settings(), {}, str(workspace)).folder


def job(shared: Path | str, encoded: Folder, base: Folder, chosen: TrainSettings) -> str:
    return write_job(chosen, {"encoded": encoded, "base": base}, str(shared), str(shared))


def run(shared: Path, encoded: Folder, base: Folder, chosen: TrainSettings) -> dict[str, Any]:
    uri = job(shared, encoded, base, chosen)
    run_here(uri, chosen, Place(shared / "out", shared, str(shared.parent), str(shared)))
    return result(shared)


def result(shared: Path) -> dict[str, Any]:
    return dict(json.loads((shared / "result.json").read_bytes()))


def losses(model: Folder) -> list[float]:
    return list(json.loads((model.path / "history.json").read_bytes())["loss"])


def weights(model: Path) -> bytes:
    return (model / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
