"""Numbers of a training by which runs are compared in the user interface of Kubeflow Pipelines."""

from __future__ import annotations

from platen.artifacts.metadata import ModelMetadata
from platen.artifacts.training_run import Measured, TrainingRun
from platen.core.manifest import Json
from platen.core.stage import Folder


def run_metrics(folder: Folder) -> dict[str, Json]:
    """Read the numbers from the manifest and run.json of a trained model; what they do not hold is None."""
    metadata, run = ModelMetadata.of(folder), TrainingRun.of(folder)
    zero, measured = run.zero, run.measured or Measured()
    return {
        "steps": folder.manifest.counts.get("steps"),
        "images": folder.manifest.counts.get("samples"),
        "first_loss": metadata.first_loss,
        "final_loss": metadata.last_loss,
        "export_error": metadata.export_error,
        "train_seconds": run.train_seconds,
        "images_per_second": run.samples_per_second,
        "parameters": zero and zero.parameters,
        "zero_stage": zero and zero.stage,
        "world_size": zero and zero.world_size,
        "attempts": measured.attempts,
        "goodput": measured.goodput,
        "mfu": measured.mfu,
        "cost_usd": measured.cost_usd,
    }
