"""The graphs as YAML that a Kubeflow Pipelines cluster takes."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from platen.errors import InputError


def write_compiled(folder: Path) -> list[Path]:
    """Compile every pipeline into a folder; the files written."""
    from kfp import compiler

    from platen.pipelines.content import content
    from platen.pipelines.retrain import retrain

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, pipeline in (("content", content), ("retrain", retrain)):
        path = folder / f"{name}.yaml"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiler.Compiler().compile(pipeline, str(path))
        paths.append(path)
    return paths


def check_compiled(folder: Path) -> None:
    """Compare the committed YAML with a fresh compile. Raises InputError that names the stale file."""
    with tempfile.TemporaryDirectory() as fresh:
        for path in write_compiled(Path(fresh)):
            committed = folder / path.name
            if not committed.is_file() or committed.read_bytes() != path.read_bytes():
                raise InputError(f"{committed}: not what the components compile to; run `platen compile`")
