"""The model: loading it, and making pictures with it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import torch
import transformers
from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from platen.components.serve.engine import BrokenError, Job
from platen.core.devices import pick_device
from platen.core.errors import first_line
from platen.families.generation import GenerationPipeline

WARM_UP_STEPS = 2


class DiffusionSampler:
    """A model that makes PNGs from jobs. Not thread safe, but for what its pipeline says of itself."""

    def __init__(self, pipeline: GenerationPipeline, digest: str) -> None:
        self.pipeline = pipeline
        self._digest = digest

    def warm_up(self) -> None:
        """Make one picture in few steps."""
        width, height = self.pipeline.size
        self.draw([Job("", 0, width, height, WARM_UP_STEPS, guidance_scale=2.0)], lambda: None)

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """A PNG for each job; the jobs agree in size, steps and guidance.

        Raises BrokenError where the device is lost to this process.
        """
        first = jobs[0]
        try:
            images = self.pipeline.generate(
                [job.prompt for job in jobs],
                [job.seed for job in jobs],
                first.width,
                first.height,
                first.steps,
                first.guidance_scale,
                on_step,
            )
        except RuntimeError as error:
            if is_fatal(error):
                raise BrokenError(f"the device cannot be used any more: {first_line(error)}") from error
            raise
        return [encode_png(image, job, self._digest) for image, job in zip(images, jobs, strict=True)]


def load(folder: Path, digest: str, device: str, precision: str) -> DiffusionSampler:
    """The sampler of a model folder, on a device ("auto", "cuda" or "cpu").

    Raises InputError where the folder is not a text-to-image model, or the device is not there.
    """
    quieten()
    place = pick_device(device, "serve.device")
    return DiffusionSampler(GenerationPipeline.load(folder, place, precision), digest)


def encode_png(image: Image, job: Job, digest: str) -> bytes:
    """A PNG that says what made it: text chunks `prompt`, `seed`, `steps`, `guidance_scale`, `model` (its digest)."""
    info = PngInfo()
    info.add_text("prompt", job.prompt)
    info.add_text("seed", str(job.seed))
    info.add_text("steps", str(job.steps))
    info.add_text("guidance_scale", f"{job.guidance_scale:g}")
    info.add_text("model", digest)
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=info, compress_level=6)
    return file.getvalue()


def is_fatal(error: RuntimeError) -> bool:
    """Whether CUDA answers nothing else in this process from now on. Memory that ran out comes back."""
    told = str(error)
    return "out of memory" not in told and (isinstance(error, torch.AcceleratorError) or "CUDA error" in told)


def quieten() -> None:
    """Keep the libraries' bars and advice out of the server's log."""
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")
