"""The graphs as YAML that a Kubeflow Pipelines cluster takes."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from platen.errors import InputError
from platen.pipelines.cluster_settings import ClusterSettings
from platen.settings import load_file, parse
from platen.storage import saving, write_file

if TYPE_CHECKING:
    from platen.pipelines.tasks import Target


def read_cluster(path: Path | None) -> ClusterSettings:
    """The cluster file; defaults where none is named."""
    return ClusterSettings() if path is None else parse(ClusterSettings, load_file(path), str(path))


def write_compiled(folder: Path, target: Target | None = None) -> list[Path]:
    """Compile every pipeline into a folder; the files written."""
    compiled = compile_all(target)
    with saving(str(folder)):
        for name, data in compiled.items():
            write_file(folder / name, data)
    return [folder / name for name in compiled]


def compile_all(target: Target | None = None) -> dict[str, bytes]:
    """Every pipeline as YAML, by the name of its file; without a target for a cluster that nothing is known of."""
    from kfp import compiler

    from platen.pipelines.content import content_pipeline
    from platen.pipelines.retrain import retrain_pipeline
    from platen.pipelines.tasks import Target

    compiled = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, pipeline in (("content", content_pipeline), ("retrain", retrain_pipeline)):
            path = Path(folder) / f"{name}.yaml"
            compiler.Compiler().compile(pipeline(target or Target()), str(path))
            compiled[path.name] = path.read_bytes()
    return compiled


def check_compiled(folder: Path, target: Target | None = None) -> None:
    """Compare the YAML in a folder with a fresh compile. Raises InputError that names the stale file."""
    for name, data in compile_all(target).items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            raise InputError(f"{path}: not what the components compile to; run `platen compile`")
