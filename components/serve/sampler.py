"""The model: loading it, and making pictures with it."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from platen.components.serve.engine import BrokenError, Job
from platen.devices import pick_device
from platen.errors import InputError
from platen.unmoderated import without_checker

WARM_UP_STEPS = 2


class DiffusionSampler:
    """A pipeline of diffusers that makes pictures from jobs. Not thread safe."""

    def __init__(self, pipeline: Any, digest: str) -> None:
        self._pipeline = pipeline
        self._digest = digest
        self._tokenizer = copy.deepcopy(pipeline.tokenizer)  # read by another thread, and it keeps state

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures the model was trained on, in pixels."""
        side = self._pipeline.unet.config.sample_size
        height, width = (side, side) if isinstance(side, int) else side
        scale = int(self._pipeline.vae_scale_factor)
        return width * scale, height * scale

    @property
    def max_tokens(self) -> int:
        """Tokens that the text encoder reads of a prompt, its start and end marks included."""
        return int(self._tokenizer.model_max_length)

    def count_tokens(self, prompt: str) -> int:
        """How many tokens a prompt is, its start and end marks included."""
        return len(self._tokenizer(prompt, truncation=False, verbose=False).input_ids)

    def warm_up(self) -> None:
        """Make one picture in few steps."""
        width, height = self.size
        self.draw([Job("", 0, width, height, WARM_UP_STEPS, guidance_scale=2.0)], lambda: None)

    def draw(self, jobs: Sequence[Job], on_step: Callable[[], None]) -> list[bytes]:
        """A PNG for each job; the jobs agree in size, steps and guidance.

        The noise of a picture comes from a generator of its own, on the processor, so that it depends on its seed
        alone and not on the device. Raises BrokenError where the device is lost to this process.
        """
        first = jobs[0]

        def after_step(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step()
            return tensors

        try:
            result = self._pipeline(
                prompt=[job.prompt for job in jobs],
                width=first.width,
                height=first.height,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance_scale,
                generator=[torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
                callback_on_step_end=after_step,
            )
        except RuntimeError as error:
            if is_fatal(error):
                raise BrokenError(f"the device cannot be used any more: {_first_line(error)}") from error
            raise
        return [encode_png(image, job, self._digest) for image, job in zip(result.images, jobs, strict=True)]


def load(folder: Path, digest: str, device: str, precision: str) -> DiffusionSampler:
    """The pipeline of a model folder, without its safety checker, on a device ("auto", "cuda" or "cpu").

    Raises InputError where the folder is not a text-to-image model, or the device is not there.
    """
    quieten()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    place = pick_device(device, "serve.device")
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(
            folder, torch_dtype=getattr(torch, precision), local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: not a model that diffusers loads: {_first_line(error)}") from error
    for part in ("unet", "vae", "tokenizer"):
        if getattr(pipeline, part, None) is None:
            raise InputError(
                f"{folder}: a {type(pipeline).__name__} without {part}. Accepted: a Stable Diffusion folder"
            )
    pipeline.set_progress_bar_config(disable=True)
    return DiffusionSampler(without_checker(pipeline).to(place), digest)


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


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
