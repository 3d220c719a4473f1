"""What the parts of the GPU check share: a base model and encoded samples of a shape, and trainings by the train stage.

All of it lies in one folder: what one part has written, another finds by its fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.gpu.events import read_scalars
from bench.gpu.shapes import SHAPES, Shape
from platen.artifacts.dataset import Row
from platen.artifacts.encoded import LATENTS, EncodedRecord, describe_arrays, write_empty_caption, write_shard
from platen.artifacts.metadata import EncodedMetadata
from platen.artifacts.model import ModelRecord
from platen.components.train.settings import TrainSettings
from platen.components.train.stage import STAGE
from platen.core.manifest import RUN, Json, Kind
from platen.core.settings import Settings, over
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage
from platen.families.registry import family_of, family_of_network

SAMPLES = 64
SPEED, MFU = "speed/samples_per_second", "speed/mfu"  # TensorBoard's names of what the train stage measures
WINDOWS = 6  # of a training, as many steps each; the first one warms up


class ShapeSettings(Settings):
    """What a folder is made from."""

    shape: str
    size: str


@dataclass(frozen=True)
class Training:
    """What the train stage measured of itself.

    Attributes:
        parameters: Numbers that were trained.
        rate: Samples a second, the median of all windows but the first.
        first_window: Seconds of the first one.
        mfu: Median, likewise; None where the device's peak is not known.
        memory: Bytes by part at the highest moment of a step, what stands included.
    """

    parameters: int
    rate: float
    first_window: float
    mfu: float | None
    memory: dict[str, int]


@dataclass(frozen=True)
class World:
    """A folder to work in, and the model that is measured there.

    Attributes:
        folder: Where everything is written.
        size: full, or tiny.
        name: Of the shape: sd or flux.
    """

    folder: Path
    size: str
    name: str

    @property
    def shape(self) -> Shape:
        """The model's."""
        return SHAPES[self.size][self.name]

    def base(self) -> Folder:
        """Make the base model, if it is not there yet."""
        facts = {"resolution": self.shape.resolution}
        return self._commit("gpu_check_base", "model", facts, lambda out: write_base(self.shape, out))

    def encoded(self) -> Folder:
        """Make the encoded samples, if they are not there yet."""
        facts = EncodedMetadata(text="embeddings", resolution=self.shape.resolution, splits={"train": SAMPLES})
        family = family_of_network(self.shape.network, Path(self.name)).name
        return self._commit(
            "gpu_check_encoded",
            "encoded",
            {**facts.facts(), "family": family},
            lambda out: write_encoded(self.shape, out),
        )

    def train(self, name: str, **changes: Any) -> Training:
        """Train with the train stage, in one process, in bf16.

        Args:
            name: Of the training, in whose own folder it works.
            changes: Of the settings.
        """
        inputs = {"encoded": self.encoded().uri, "base": self.base().uri}
        workspace = self.folder / f"{self.name}-{name}"
        settings = train_settings(self.shape, changes)
        return read_training(run_stage(STAGE, settings, inputs, str(workspace)).folder, workspace, settings)

    def _commit(self, stage: str, kind: Kind, facts: dict[str, Json], write: Callable[[Path], None]) -> Folder:
        def work(settings: ShapeSettings, inputs: Inputs, place: Place) -> Outcome:
            write(place.out)
            return Outcome(facts=facts)

        chosen = ShapeSettings(shape=self.name, size=self.size)
        return run_stage(Stage(stage, 1, kind, ShapeSettings, {}, work), chosen, {}, str(self.folder)).folder


def train_settings(shape: Shape, changes: dict[str, Any]) -> TrainSettings:
    """Choose settings of a training on one device; what changes a section leaves the rest of it as it is."""
    chosen: dict[str, Any] = {
        "steps": shape.steps,
        "global_batch": shape.micro_batch,
        "micro_batch": shape.micro_batch,
        "ranks": 1,
        "precision": "bf16",
        "checkpoints": {"every": shape.steps},
        "log_every": shape.steps // WINDOWS,
    }
    return TrainSettings.model_validate(over(chosen, changes))


def read_training(model: Folder, workspace: Path, settings: TrainSettings) -> Training:
    """Read what the train stage left: run.json, and TensorBoard's event files for each window by itself."""
    observed = json.loads(model.read(RUN) or b"{}")
    (events,) = workspace.glob("measured/*/tensorboard/events.*")
    scalars = read_scalars(events)
    first, *rates = scalars[SPEED]
    return Training(
        parameters=observed["zero"]["parameters"],
        rate=median(rates),
        first_window=settings.log_every * settings.global_batch / first,
        mfu=median(scalars[MFU][1:]) if MFU in scalars else None,
        memory=observed["measured"]["memory_bytes"],
    )


def write_base(shape: Shape, out: Path) -> None:
    """Write the diffusers folder, and the resolution at which it is served."""
    shape.write(shape, out)
    resolution = (shape.resolution, shape.resolution)
    ModelRecord(family=family_of(out).name, resolution=resolution).write(out)


def write_encoded(shape: Shape, out: Path) -> None:
    """Write random arrays with the shapes that the family's encoders would give them."""
    import torch

    family = family_of_network(shape.network, out)
    with torch.device("meta"):
        denoiser = family.build_network(shape.network)
        latents, _, conditions = family.example(denoiser, 1, (shape.side, shape.side), shape.tokens)
    rng = np.random.default_rng(0)
    shapes = {LATENTS: latents.shape[1:], **{name: tensor.shape[1:] for name, tensor in conditions.items()}}
    arrays = {
        name: rng.standard_normal((SAMPLES, *each), np.float32).astype(np.float16) for name, each in shapes.items()
    }
    write_empty_caption(out, {name: arrays[name][0] for name in conditions})
    pixels = shape.resolution
    rows = [Row(key=f"{place:08d}", caption="", width=pixels, height=pixels, split="train") for place in range(SAMPLES)]
    write_shard(out, "00000", arrays, rows, family.variable_length)
    EncodedRecord(
        family=family.name,
        text="embeddings",
        max_tokens=shape.tokens,
        resolution=pixels,
        arrays=describe_arrays(out, family.variable_length),
    ).write(out)
