"""generate: a prompt file in, images and their index out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from platen.artifacts.dataset import chunks
from platen.artifacts.images import GeneratedImage, image_file, write_index
from platen.components.generate.prompts import Prompt, is_json_lines, load_prompts, read_prompts
from platen.components.generate.settings import GenerateSettings
from platen.core.errors import InputError
from platen.core.manifest import Json, sha256
from platen.core.stage import Folder, Inputs, Outcome, Place, Stage
from platen.core.telemetry import progress
from platen.families.registry import family_of
from platen.families.truncation import count_truncated


def read_outside(settings: GenerateSettings, inputs: Inputs, workspace: str) -> Mapping[str, Json]:
    """The digest of the prompt file, and how it is read. Raises InputError where there is none."""
    return {"prompts": sha256(read_prompts(settings.prompts)), "json_lines": is_json_lines(settings.prompts)}


def generate(settings: GenerateSettings, inputs: Inputs, place: Place) -> Outcome:
    """Generate the image of every prompt, batch by batch; a batch that is there already is not generated again."""
    prompts = load_prompts(settings.prompts, settings.seed)
    check_size(settings, inputs["model"].path)
    truncated = generate_images(settings, inputs["model"], place.out, prompts)
    write_index(
        place.out,
        [
            GeneratedImage(file=image_file(number), prompt=prompt.prompt, seed=prompt.seed, group=prompt.group)
            for number, prompt in enumerate(prompts)
        ],
    )
    groups = Counter(prompt.group for prompt in prompts)
    return Outcome(
        counts={
            "pictures": len(prompts),
            "prompts": len({prompt.prompt for prompt in prompts}),
            "truncated_prompts": truncated,
        },
        facts={"groups": dict(sorted(groups.items())), "model": inputs["model"].digest},
    )


def check_size(settings: GenerateSettings, model: Path) -> None:
    """Raise InputError for a size that the model cannot generate, before it is loaded."""
    multiple = family_of(model).size_multiple(model)
    if settings.size is not None and settings.size % multiple:
        raise InputError(f"generate.size must be a multiple of {multiple} for this model (got {settings.size})")


def generate_images(settings: GenerateSettings, model: Folder, out: Path, prompts: Sequence[Prompt]) -> int:
    """Write the image of each prompt below `out`, and count the prompts that the text encoder does not read whole."""
    from platen.components.generate.png import write_png
    from platen.core.devices import fixed_threads, pick_device
    from platen.families.generation import GenerationPipeline

    with fixed_threads(settings.threads), progress("generating images", len(prompts), "images") as advance:
        pipeline = GenerationPipeline.load(model.path, pick_device("auto", "generate"), settings.precision)
        width, height = (settings.size, settings.size) if settings.size else pipeline.size
        texts = (prompt.prompt for prompt in prompts)
        truncated = count_truncated(texts, pipeline.count_tokens, pipeline.max_tokens, "prompts")
        for batch in chunks(enumerate(prompts), settings.batch_size):
            if not all((out / image_file(number)).exists() for number, _ in batch):
                images = pipeline.generate(
                    [prompt.prompt for _, prompt in batch],
                    [prompt.seed for _, prompt in batch],
                    width,
                    height,
                    settings.steps,
                    settings.guidance_scale,
                )
                for (number, prompt), image in zip(batch, images, strict=True):
                    write_png(out / image_file(number), image, prompt, model.digest)
            advance(len(batch))
    return truncated


STAGE = Stage(
    name="generate",
    version=2,
    kind="pictures",
    settings=GenerateSettings,
    inputs={"model": "model"},
    work=generate,
    outside=read_outside,
    resumable=True,
)
