import hashlib
import io
import json
import random

import pytest
from PIL import Image, ImageDraw

from platen.artifacts import dataset
from platen.artifacts.dataset import Row, Sample
from platen.components.evaluate.settings import EvaluateSettings
from platen.core.settings import Settings
from platen.core.stage import Outcome, Stage, run_stage

COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (240, 200, 40)}


class Nothing(Settings):
    pass


def draw(colour, number):
    """A disc of a colour, its place and size by the number."""
    chance = random.Random(number)
    picture = Image.new("RGB", (64, 64), "white")
    x, y, radius = chance.randint(22, 42), chance.randint(22, 42), chance.randint(8, 20)
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=COLOURS[colour])
    return picture


def encode(picture):
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def commit(workspace, stage, kind, write):
    """Commit a folder that `write` fills."""

    def work(settings, inputs, place):
        write(place.out)
        return Outcome()

    return run_stage(Stage(stage, 1, kind, Nothing, {}, work), Nothing(), {}, str(workspace)).folder


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A merged dataset of 60 discs in 3 shards: 36 for training, 12 for validation, 12 for test."""
    splits = ["train", "train", "train", "validation", "test"]

    def sample(number):
        colour = list(COLOURS)[number % 4]
        image = encode(draw(colour, number))
        key = hashlib.sha256(image).hexdigest()[:16]
        split = splits[number % 5]
        return Sample(Row(key, f"a {colour} circle", "png", 64, 64, split=split), image)

    def write(out):
        for shard in range(3):
            samples = [sample(number) for number in range(20 * shard, 20 * shard + 20)]
            dataset.write_shard(out, dataset.shard_name(shard), samples)

    return commit(tmp_path_factory.mktemp("real"), "merge", "dataset", write)


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """48 pictures: 24 of prompts that name a colour, 24 of a neutral one, 18 of these red. The first is a copy."""

    def write(out):
        lines = []
        (out / "pictures").mkdir()
        for number in range(48):
            neutral = number >= 24
            colour = ("red" if number % 4 else "blue") if neutral else list(COLOURS)[number % 4]
            file = f"pictures/{number:05d}.png"
            (out / file).write_bytes(encode(draw(colour, number if number == 0 else 1000 + number)))
            prompt, group = ("a circle", "neutral") if neutral else (f"a {colour} circle", "grid")
            lines.append(json.dumps({"file": file, "prompt": prompt, "seed": number, "group": group}))
        (out / "index.jsonl").write_text("\n".join(lines))

    return commit(tmp_path_factory.mktemp("generated"), "generate", "pictures", write)


@pytest.fixture(scope="session")
def settings():
    """With the colours as an attribute, and one thread: other tests run at the same time."""
    colours = [{"value": name, "prompts": [f"a {name} circle"], "reference": 0.25} for name in COLOURS]
    own = {"bias": {"attributes": {"colour": colours}, "margin": 0}, "held_out_loss": {"timesteps": 2}}
    return EvaluateSettings.model_validate({"metrics": own, "threads": 1, "min_samples": 10})


@pytest.fixture(scope="session")
def judge(tiny_model):
    from platen.components.evaluate.towers import Judge

    return Judge(tiny_model.path / "clip", "cpu")
