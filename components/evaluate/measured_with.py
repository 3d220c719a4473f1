"""What each number was measured with: numbers of two reports can be compared only where it is the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from platen.artifacts.dataset import Row
from platen.components.evaluate.settings import EvaluateSettings
from platen.core.manifest import Json, Manifest, canonical, sha256
from platen.core.stage import Inputs

if TYPE_CHECKING:
    from platen.components.evaluate.report import Seen

SAMPLING = ("steps", "guidance_scale", "size")  # settings of generate that change a picture, beside model and seed


def measured_with(
    inputs: Inputs, seen: Seen, settings: EvaluateSettings, extractor: str | None
) -> dict[str, dict[str, Json]]:
    """For each metric of the report, by its first name, what its value depends on beside how good the model is.

    Seeds of pictures and of resamples are not among it: they move a number within its interval. The prompts, with how
    often each was asked for, say the number of pictures too.

    Args:
        inputs: Of the stage. The model's `clip/` judges; its `vae/` and `scheduler/` define the held-out loss.
        seen: The pictures that are compared.
        settings: Of the stage.
        extractor: The digest of the extractor's folder, where it is one.
    """
    model, pictures = inputs["model"].manifest, inputs["generated"].manifest
    judge = digest_of_files(model, "clip/")
    held_out, training = digest_of_rows(seen.held_out), digest_of_rows(seen.training)
    asked = {
        "prompts": digest(sorted([one.prompt, one.group] for one in seen.generated)),
        "neutral_group": settings.neutral_group,
        "sampling": {name: pictures.settings.get(name) for name in SAMPLING},
    }
    looked = {"extractor": judge if settings.extractor == "clip" else extractor or settings.extractor, **asked}
    compared = {**looked, "training": training, "held_out": held_out}
    judged = {"judge": judge, **asked}
    noise = {"timesteps": settings.timesteps, "seed": settings.seed, "scheduler": digest_of_files(model, "scheduler/")}
    attributes = {name: [value.model_dump() for value in values] for name, values in settings.attributes.items()}
    return {
        "held_out_loss": {"held_out": held_out, "vae": digest_of_files(model, "vae/"), **noise},
        "fid": compared,
        "kid": compared,
        "clip_score": judged,
        "clip_score_real": {"judge": judge, "held_out": held_out},
        "retrieval_accuracy": judged,
        "memorised": {**looked, "training": training, "memorised_quantile": settings.memorised_quantile},
        "bias": {**judged, "margin": settings.margin, "attributes": digest(attributes)},
    }


def digest_of_files(manifest: Manifest, below: str) -> str:
    """Of the files of a folder that lie below a path."""
    return digest(sorted([file.path, file.sha256] for file in manifest.files if file.path.startswith(below)))


def digest_of_rows(rows: Iterable[Row]) -> str:
    """Of pictures in the size that they are looked at, and of their captions."""
    return digest(sorted([row.key, row.sha256, row.caption, row.width, row.height] for row in rows))


def digest(content: Json) -> str:
    """SHA-256 of what can be written as JSON, in hexadecimal."""
    return sha256(canonical(content))
