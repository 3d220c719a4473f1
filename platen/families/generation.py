"""Loading a model and generating images with it: the one way for every family, in generate, evaluate and serve."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import nn
from transformers import PreTrainedTokenizerBase

from platen.artifacts.model import ModelRecord
from platen.core.errors import InputError
from platen.families.base import Encoders
from platen.families.diffusers_family import DiffusersFamily
from platen.families.diffusers_models import NetworkDenoiser, PipelineEncoders, load_pipeline
from platen.families.registry import family_of

DEFAULT_SIDE = 1024  # pixels, of the pipelines whose signature alone says so: Z-Image


class GenerationPipeline:
    """A text-to-image pipeline of diffusers. `generate` is not thread safe; all else may be called meanwhile.

    Args:
        family: Of the model.
        pipeline: With all its components, on its device.
        folder: That it was loaded from.
    """

    def __init__(self, family: DiffusersFamily, pipeline: Any, folder: Path) -> None:
        self.family = family
        self.pipeline = pipeline
        self.size = default_size(family, pipeline, folder)
        """Width and height in pixels that the model was trained on."""
        self.multiple = family.size_multiple(folder)
        """Width and height in pixels must be divisible by this."""
        self._counter = with_own_tokenizers(pipeline)

    @classmethod
    def load(cls, folder: Path, device: str, dtype: str) -> Self:
        """Load a model folder, without its safety checker.

        Args:
            folder: A diffusers folder.
            device: As torch names it.
            dtype: Name of the precision to compute in, as float32.

        Raises:
            InputError: It is of no family that generates images, or diffusers cannot load it.
        """
        family = family_of(folder)
        if not isinstance(family, DiffusersFamily):
            raise InputError(f"{folder}: {family.name} generates no images. Accepted: a text-to-image model")
        torch.backends.cudnn.deterministic = True  # the same seed, the same bytes
        torch.backends.cudnn.benchmark = False
        return cls(family, load_pipeline(folder, device, dtype), folder)

    def encoders(self) -> Encoders:
        """Return the pipeline's own encoders."""
        return PipelineEncoders(self.family, self.pipeline, self.family.encode_captions)

    def denoiser(self) -> nn.Module:
        """Return the pipeline's own network, called as training calls it."""
        return NetworkDenoiser(self.family, getattr(self.pipeline, self.family.network))

    @property
    def max_tokens(self) -> int:
        """Tokens that the text encoder reads of a prompt, its marks included."""
        return self.family.max_tokens(self._counter)

    def count_tokens(self, prompt: str) -> int:
        """Count the tokens of a whole prompt, its marks included."""
        return self.family.count_tokens(self._counter, prompt)

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        width: int,
        height: int,
        steps: int,
        guidance_scale: float,
        on_step: Callable[[], None] = lambda: None,
    ) -> list[Image]:
        """Generate one image per prompt, all in one batch.

        The noise of each image comes from its own generator on the CPU: it depends on the seed alone, not on the
        device or the batch. In a batch the order of sums differs, and with it the last bit of some channels.

        Args:
            prompts: One per image.
            seeds: One per image.
            width: Pixels, divisible by `multiple`.
            height: The same.
            steps: Denoising steps.
            guidance_scale: Classifier-free guidance; 1 or less turns it off.
            on_step: Called after each step; what it raises ends the generation and comes out here.
        """
        with after_each_step(self.pipeline.scheduler, on_step):
            output = self.pipeline(
                prompt=list(prompts),
                width=width,
                height=height,
                num_inference_steps=steps,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
                **self.family.generation_arguments(guidance_scale, len(prompts)),
            )
        return list(output.images)


def default_size(family: DiffusersFamily, pipeline: Any, folder: Path) -> tuple[int, int]:
    """Find the width and height in pixels that a model was trained on.

    They are in its `platen.json` if Platen trained it, else in the network's configuration, else the pipeline's own.
    """
    record = ModelRecord.read(folder)
    if record is not None:
        return record.resolution
    side = family.read_config(folder, family.network).get("sample_size")
    if side is not None:
        height, width = (side, side) if isinstance(side, int) else side
        return width * family.latent_scale(folder), height * family.latent_scale(folder)
    side = getattr(pipeline, "default_sample_size", None)
    pixels = DEFAULT_SIDE if side is None else int(side * pipeline.vae_scale_factor)
    return pixels, pixels


def with_own_tokenizers(pipeline: Any) -> Any:
    """Copy a pipeline with its tokenizers, all else shared: tokenizers keep state, so each thread needs its own."""
    twin = copy.copy(pipeline)
    for name, part in pipeline.components.items():
        if isinstance(part, PreTrainedTokenizerBase):
            setattr(twin, name, copy.deepcopy(part))
    return twin


@contextmanager
def after_each_step(scheduler: Any, on_step: Callable[[], None]) -> Iterator[None]:
    """Call a function after each step of a scheduler. Not every pipeline has `callback_on_step_end`, as PixArt's."""
    step = scheduler.step

    @functools.wraps(step)  # pipelines look at its signature
    def watched(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        on_step()
        return result

    scheduler.step = watched
    try:
        yield
    finally:
        del scheduler.step
