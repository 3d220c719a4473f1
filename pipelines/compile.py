"""The graphs, and each component by itself, as YAML that a Kubeflow Pipelines cluster takes."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from platen.core.errors import InputError
from platen.core.images import Images, image
from platen.core.settings import load_file, parse
from platen.core.storage import saving, write_file
from platen.pipelines.cluster_settings import ClusterSettings

if TYPE_CHECKING:
    from platen.pipelines.tasks import Target


def read_cluster(path: Path | None) -> ClusterSettings:
    """The cluster file; defaults where none is named."""
    return ClusterSettings() if path is None else parse(ClusterSettings, load_file(path), str(path))


def write_compiled(folder: Path, target: Target | None = None) -> list[Path]:
    """Compile every pipeline into a folder; return the files written."""
    return _write(folder, compile_all(target))


def write_components(folder: Path, images: Images) -> list[Path]:
    """Compile every component to `<stage>/component.yaml` in a folder; return the files written."""
    return _write(folder, compile_components(images))


def _write(folder: Path, compiled: Mapping[str, bytes]) -> list[Path]:
    with saving(str(folder)):
        for name, data in compiled.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(folder / name, data)
    return [folder / name for name in compiled]


def compile_all(target: Target | None = None) -> dict[str, bytes]:
    """Every pipeline as YAML, by the name of its file; without a target for a cluster that nothing is known of."""
    from kfp import compiler

    from platen.pipelines.content import content_pipeline
    from platen.pipelines.demo_pipeline import demo_pipeline
    from platen.pipelines.retrain import retrain_pipeline
    from platen.pipelines.tasks import Target

    compiled = {}
    pipelines = {"content": content_pipeline, "demo": demo_pipeline, "retrain": retrain_pipeline}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, pipeline in pipelines.items():
            path = Path(folder) / f"{name}.yaml"
            compiler.Compiler().compile(pipeline(target or Target()), str(path))
            compiled[path.name] = path.read_bytes()
    return compiled


def compile_components(images: Images) -> dict[str, bytes]:
    """Compile every component by itself, for pipelines that load one with kfp.components.load_component_from_file.

    Returns:
        YAML by path: `<stage>/component.yaml`, and `<stage>/<function>.yaml` for a second component of a stage.
    """
    from kfp import compiler, dsl

    from platen import components

    compiled = {}
    (root,) = map(Path, components.__path__)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "component.yaml"
        for stage in sorted(found.parent.name for found in root.glob("*/component.py")):
            module = importlib.import_module(f"platen.components.{stage}.component")
            for name, component in vars(module).items():
                if isinstance(component, dsl.base_component.BaseComponent):
                    compiler.Compiler().compile(component, str(path))
                    text = path.read_text().replace(image(stage), images.name(stage))
                    compiled[f"{stage}/{'component' if name == stage else name}.yaml"] = text.encode()
    return compiled


def check_compiled(folder: Path, target: Target | None = None) -> None:
    """Compare the pipelines in a folder with a fresh compile. Raises InputError that names the stale file."""
    _check(folder, compile_all(target))


def check_components(folder: Path, images: Images) -> None:
    """Compare the components in a folder with a fresh compile. Raises InputError that names the stale file."""
    _check(folder, compile_components(images))


def _check(folder: Path, compiled: Mapping[str, bytes]) -> None:
    for name, data in compiled.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            raise InputError(f"{path}: not what the components compile to; run `platen compile`")
