"""The judge of every family: what Platen hands a network, against what diffusers' own pipeline hands it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from platen.families.batch import stack_conditions
from platen.families.registry import family_of

TOLERANCE = 1e-5
PROMPTS = ["a red circle", "a blue square on sand"]


@dataclass
class Calls:
    """What a network was called with, and what the scheduler was given, in the order of the calls."""

    inputs: list[dict[str, Any]] = field(default_factory=list)
    predictions: list[Tensor] = field(default_factory=list)


def pipeline_calls(
    folder: Path, prompts: Sequence[str], latents: Tensor, absent: Sequence[str] = (), **arguments: Any
) -> tuple[Calls, Tensor]:
    """Run a pipeline for one step; what its network and scheduler got, and the timestep of that step.

    Args:
        folder: A diffusers folder.
        prompts: One per image.
        latents: Of the shape that the pipeline wants (packed where it packs).
        absent: Parts that the model comes without.
        arguments: More of the pipeline's.
    """
    family = family_of(folder)
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True, **dict.fromkeys(absent))
    pipeline.set_progress_bar_config(disable=True)
    calls = Calls()
    record_inputs(getattr(pipeline, family.network), calls)
    scheduler_step = pipeline.scheduler.step

    def step(model_output: Tensor, *rest: Any, **named: Any) -> Any:
        calls.predictions.append(model_output)
        return scheduler_step(model_output, *rest, **named)

    pipeline.scheduler.step = step
    pipeline(prompt=list(prompts), latents=latents, num_inference_steps=1, output_type="latent", **arguments)
    return calls, pipeline.scheduler.timesteps[0]


def platen_calls(folder: Path, captions: Sequence[str], latents: Tensor, timestep: Tensor) -> Calls:
    """Encode captions and predict once with Platen's own code; what the network got, and what came out.

    Args:
        folder: A diffusers folder.
        captions: One per sample.
        latents: (n, channels, h, w), as the family's encoders give them.
        timestep: Of all samples.
    """
    family = family_of(folder)
    conditions = family.encoders(folder, "cpu").encode_captions(captions)
    batch = stack_conditions(conditions, family.variable_length)
    denoiser = family.load(folder).eval()
    calls = Calls()
    record_inputs(denoiser.network, calls)
    with torch.no_grad():
        calls.predictions.append(denoiser(latents, timestep.float().expand(len(latents)), batch))
    return calls


def record_inputs(network: nn.Module, calls: Calls) -> None:
    """Record all arguments of a network by name, those given by place too."""
    names = list(inspect.signature(network.forward).parameters)

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.inputs.append({**dict(zip(names, args, strict=False)), **kwargs})

    network.register_forward_pre_hook(hook, with_kwargs=True)


def assert_same(ours: Any, theirs: Any, where: str = "") -> None:
    """Compare arguments: tensors within the tolerance, mappings and lists by item. None, {} and absent are the same."""
    if isinstance(theirs, Mapping):
        ours = ours or {}
        for name in {*ours, *theirs}:
            assert_same(ours.get(name), theirs.get(name), f"{where}.{name}")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(one, other, f"{where}[{number}]")
    elif isinstance(theirs, Tensor):
        assert ours is not None, f"{where}: missing"
        theirs = theirs.expand_as(ours) if theirs.ndim == 0 else theirs  # one timestep for the whole batch
        assert ours.shape == theirs.shape, f"{where}: {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
        torch.testing.assert_close(
            ours.double(), theirs.double(), atol=TOLERANCE, rtol=TOLERANCE, msg=lambda m: f"{where}: {m}"
        )
    else:
        assert ours == theirs, where


def without(arguments: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Leave out arguments that say nothing of the model, as return_dict."""
    return {name: value for name, value in arguments.items() if name not in ("return_dict", *names)}


def unpadded(arguments: Mapping[str, Any], masks: Mapping[str, str]) -> dict[str, Any]:
    """Cut padded captions to the tokens that their mask shows, a list of one tensor per sample.

    Args:
        arguments: Of a network.
        masks: For the name of each padded argument that of its mask.
    """
    shown = {
        name: [row[mask.bool()] for row, mask in zip(arguments[name], arguments[of], strict=True)]
        for name, of in masks.items()
    }
    return {**without(arguments, *masks.values()), **shown}


def check_parity(
    folder: Path,
    prompts: Sequence[str],
    latents: Tensor,
    *,
    pack: Callable[[Tensor], Tensor] = lambda latents: latents,
    packs_latents: bool = False,
    negative_first: bool = True,
    guided: bool = False,
    masks: Mapping[str, str] | None = None,
    **arguments: Any,
) -> None:
    """Assert that Platen hands the network what the pipeline does, and predicts what the scheduler gets.

    Args:
        folder: A diffusers folder of a tiny random model.
        prompts: One per image.
        latents: (n, channels, h, w), pure noise.
        pack: From these to the pipeline's own form.
        packs_latents: The pipeline wants `latents` not packed, and packs them itself.
        guided: The pipeline predicts with and without the caption, in one batch or in two calls of the network: the
            empty caption is compared too.
        negative_first: Whether the prediction without the caption is the first of the two.
        masks: For the name of each of the network's arguments that the pipeline pads that of its mask: how long the
            padding is may differ, the tokens and the prediction may not.
        arguments: More of pipeline_calls', such as height, width and guidance_scale.
    """
    theirs, timestep = pipeline_calls(folder, prompts, latents if packs_latents else pack(latents), **arguments)
    empty = [""] * len(prompts)
    halves = ([empty, prompts] if negative_first else [prompts, empty]) if guided else [prompts]
    if len(theirs.inputs) == 1:  # one batch of all
        ours = [
            platen_calls(
                folder, [caption for half in halves for caption in half], torch.cat([latents] * len(halves)), timestep
            )
        ]
    else:
        ours = [platen_calls(folder, half, latents, timestep) for half in halves]
    for mine, other in zip([calls.inputs[0] for calls in ours], theirs.inputs, strict=True):
        assert_same(unpadded(mine, masks or {}), unpadded(other, masks or {}))
    if not guided:
        assert_same(pack(ours[0].predictions[0]), theirs.predictions[0], "prediction")


def pixels(count: int, size: tuple[int, int]) -> Tensor:
    """Draw smooth images (n, 3, height, width) in [-1, 1]."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return nn.functional.interpolate(coarse, size=size, mode="bilinear")


def check_images(folder: Path, images: Tensor) -> None:
    """Assert that the pipeline decodes the latents that Platen encodes: its VAE gets what it had made of the images.

    The pipeline takes the latents for the noise that it draws, and its scheduler leaves them as they are.
    """
    family = family_of(folder)
    latents = family.encoders(folder, "cpu").encode_images(images)
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    decode, decoded = pipeline.vae.decode, []

    def draw(shape: Sequence[int], **_: Any) -> Tensor:
        return (latents / getattr(pipeline.scheduler, "init_noise_sigma", 1.0)).reshape(tuple(shape))

    def record(latents: Tensor, *args: Any, **kwargs: Any) -> Any:
        decoded.append(latents)
        return decode(latents, *args, **kwargs)

    pipeline.scheduler.step = lambda output, timestep, sample, **_: (sample,)
    pipeline.vae.decode = record
    with patch.object(sys.modules[type(pipeline).__module__], "randn_tensor", draw):
        pipeline(
            prompt=["a red circle"] * len(images),
            num_inference_steps=1,
            height=images.shape[-2],
            width=images.shape[-1],
            output_type="pt",
            **family.generation_arguments(1.0),
        )
    with torch.no_grad():
        encoded = pipeline.vae.encode(images if decoded[0].ndim == 4 else images[:, :, None])  # of images, or of videos
    mode = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latent
    assert mode.std() > 0
    torch.testing.assert_close(decoded[0], mode, atol=TOLERANCE, rtol=TOLERANCE)
