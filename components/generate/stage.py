"""generate: a prompt file in, pictures and their index out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from platen.components.generate.prompts import Prompt, is_json_lines, load_prompts, read_prompts
from platen.components.generate.settings import GenerateSettings
from platen.dataset import chunks
from platen.manifest import Json, sha256
from platen.stage import Folder, Inputs, Outcome, Place, Stage
from platen.telemetry import progress


def read_outside(settings: GenerateSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digest of the prompt file, and how it is read. Raises InputError where there is none."""
    return {"prompts": sha256(read_prompts(settings.prompts)), "json_lines": is_json_lines(settings.prompts)}


def generate(settings: GenerateSettings, inputs: Inputs, place: Place) -> Outcome:
    """Make every picture of the prompt file, batch by batch; a batch that is there already is not made again."""
    from platen.components.generate.pictures import write_index

    prompts = load_prompts(settings.prompts, settings.seed)
    make_pictures(settings, inputs["model"], place.out, prompts)
    write_index(place.out / "index.jsonl", prompts)
    groups = Counter(prompt.group for prompt in prompts)
    return Outcome(
        counts={"pictures": len(prompts), "prompts": len({prompt.prompt for prompt in prompts})},
        facts={"groups": dict(sorted(groups.items())), "model": inputs["model"].digest},
    )


def make_pictures(settings: GenerateSettings, model: Folder, out: Path, prompts: Sequence[Prompt]) -> None:
    """Write the picture of each prompt below `out`."""
    from platen.components.generate.pictures import file_of, write_picture
    from platen.components.generate.sampling import load_pipeline, sample_pictures
    from platen.devices import fixed_threads

    with fixed_threads(settings.threads), progress("making pictures", len(prompts), "pictures") as advance:
        pipeline = load_pipeline(model.path, settings.precision)
        for batch in chunks(enumerate(prompts), settings.batch_size):
            if not all((out / file_of(number)).exists() for number, _ in batch):
                chosen = [prompt for _, prompt in batch]
                pictures = sample_pictures(pipeline, chosen, settings.steps, settings.guidance_scale, settings.size)
                for (number, prompt), picture in zip(batch, pictures, strict=True):
                    write_picture(out / file_of(number), picture, prompt, model.digest)
            advance(len(batch))


STAGE = Stage(
    name="generate",
    version=2,
    kind="pictures",
    settings=GenerateSettings,
    inputs=("model",),
    work=generate,
    outside=read_outside,
    resumable=True,
)
