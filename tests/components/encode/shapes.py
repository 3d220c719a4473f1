"""A committed dataset of drawn shapes, 32 pixels, as merge would leave it."""

from __future__ import annotations

import io
from random import Random

from platen.artifacts.dataset import Row, Sample, shard_name, write_shard
from platen.components.sample.world import COMBINATIONS, describe, random_scene, render
from platen.core.settings import Settings
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage, run_stage

COUNT, SHARD, SIDE = 24, 8, 32


class ShapesSettings(Settings):
    """Sizes that the images have in turn (width, height); whether there is an empty shard; captions of 200 words."""

    sizes: tuple[tuple[int, int], ...] = ((SIDE, SIDE),)
    empty_shard: bool = False
    long_captions: int = 0


def commit_shapes(workspace: str, **chosen: object) -> Folder:
    return run_stage(STAGE, ShapesSettings.model_validate(chosen), {}, workspace).folder


def _work(settings: ShapesSettings, inputs: Inputs, place: Place) -> Outcome:
    random = Random(0)
    samples = []
    for number in range(COUNT):
        scene = random_scene(random, COMBINATIONS[number])
        data = io.BytesIO()
        size = settings.sizes[number % len(settings.sizes)]
        render(scene).resize(size).save(data, "PNG")
        split = "train" if number % 4 else "validation"
        caption = describe(random, scene) if number >= settings.long_captions else f"{'red ' * 199}{number}"
        row = Row(f"{number:016x}", caption, "png", *size, split=split)
        samples.append(Sample(row, data.getvalue()))
    for start in range(0, COUNT, SHARD):
        write_shard(place.out, shard_name(start // SHARD), samples[start : start + SHARD])
    if settings.empty_shard:
        write_shard(place.out, shard_name(COUNT // SHARD), [])
    return Outcome(counts={"samples": COUNT}, facts={"resolution": SIDE})


STAGE = Stage(name="merge", version=1, kind="dataset", settings=ShapesSettings, inputs={}, work=_work)
