"""Numbers of a training by which runs are compared in the user interface of Kubeflow Pipelines."""

from __future__ import annotations

import json

from platen.artifacts.metadata import ModelMetadata
from platen.core.manifest import RUN, Json
from platen.core.stage import Folder


def run_metrics(folder: Folder) -> dict[str, Json]:
    """Read the numbers from the manifest and run.json of a trained model; what they do not hold is None."""
    metadata, observed = ModelMetadata.of(folder), dict(json.loads(folder.read(RUN) or b"{}"))
    zero, measured = observed.get("zero") or {}, observed.get("measured") or {}
    return {
        "steps": folder.manifest.counts.get("steps"),
        "images": folder.manifest.counts.get("samples"),
        "first_loss": metadata.first_loss,
        "final_loss": metadata.last_loss,
        "export_error": metadata.export_error,
        "train_seconds": observed.get("train_seconds"),
        "images_per_second": observed.get("samples_per_second"),
        "parameters": zero.get("parameters"),
        "zero_stage": zero.get("stage"),
        "world_size": zero.get("world_size"),
        **{name: measured.get(name) for name in ("attempts", "goodput", "mfu", "cost_usd")},
    }
