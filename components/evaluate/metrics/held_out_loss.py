"""The diffusion loss on images that the model was not trained on: the training loss without its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from platen.artifacts.evaluation import Curve, Point
from platen.components.evaluate.context import Context, digest_of_files
from platen.components.evaluate.estimates import mean
from platen.components.evaluate.metrics.base import Measurement, MetricSpec, Quantity
from platen.core.manifest import Json
from platen.core.settings import Settings

if TYPE_CHECKING:
    from platen.artifacts.dataset import Sample
    from platen.components.evaluate.held_out import Denoiser
    from platen.components.evaluate.settings import EvaluateSettings


class HeldOutLossSettings(Settings):
    """Section `evaluate.metrics.held_out_loss`."""

    timesteps: int = Field(4, ge=1, le=100, description="Noise levels of each held-out picture for the held-out loss")


def measure(context: Context, settings: HeldOutLossSettings) -> Measurement:
    """Measure the loss of the held-out images at several noise levels."""
    from platen.components.evaluate.held_out import Denoiser
    from platen.components.evaluate.pictures import read_real

    denoiser = Denoiser(context.model.path, settings.timesteps, context.settings.seed, context.judge.device)
    rows = context.seen.held_out
    return measure_loss(denoiser, read_real(context.inputs["dataset"].path, rows), len(rows), context.settings)


def measure_loss(denoiser: Denoiser, samples: Iterable[Sample], total: int, settings: EvaluateSettings) -> Measurement:
    """Measure the mean loss, one sample per image, and its mean at each noise level."""
    losses = denoiser.all_losses(samples, total, settings.batch_size)
    note = f"{denoiser.process.kind}, {len(denoiser.timesteps)} noise levels per image"
    estimate = mean(losses.mean(axis=1).tolist(), settings.confidence, settings.min_samples, note)
    if estimate.value is None:
        return Measurement(estimate)
    levels = zip(denoiser.timesteps, losses.mean(axis=0).tolist(), strict=True)
    points = [Point(place=timestep, value=value) for timestep, value in levels]
    return Measurement(estimate, curve=Curve(title="Held-out loss by timestep", across="timestep", points=points))


def provenance(context: Context, settings: HeldOutLossSettings) -> Mapping[str, Json]:
    """Say what defines the loss beside the images: the noise, and what encodes images to latents."""
    manifest = context.model.manifest
    return {
        "vae": digest_of_files(manifest, "vae/"),
        "timesteps": settings.timesteps,
        "seed": context.settings.seed,
        "scheduler": digest_of_files(manifest, "scheduler/"),
    }


METRIC = MetricSpec(
    name="held_out_loss",
    quantity=Quantity("Held-out loss", "mean squared error", "lower"),
    needs=frozenset({"held_out"}),
    measure=measure,
    settings=HeldOutLossSettings,
    provenance=provenance,
)
