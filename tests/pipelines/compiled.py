"""Compiling pipelines, and reading what comes of it: the intermediate representation that Kubeflow Pipelines takes.

Tests compile in a thread of their own. For every task that is set up kfp reads its caller's whole stack
(inspect.stack), and under pytest that is deep: with torch loaded a compile takes 12 s of CPU, in a thread 0.4 s.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from platen.pipelines import compile
from platen.pipelines.tasks import Target


def write_compiled(folder: Path, target: Target | None = None) -> list[Path]:
    """platen.pipelines.compile.write_compiled."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(compile.write_compiled, folder, target).result()


def check_compiled(folder: Path) -> None:
    """platen.pipelines.compile.check_compiled."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(compile.check_compiled, folder).result()


@cache
def documents(path: Path) -> tuple[Any, Any]:
    """The pipeline and its platform."""
    spec, platform = yaml.load_all(path.read_text(), yaml.CSafeLoader)
    return spec, platform


def executors(path: Path) -> dict[str, Any]:
    """Image, command, environment and resources of each task, by `exec-NAME`."""
    spec, _ = documents(path)
    found: dict[str, Any] = spec["deploymentSpec"]["executors"]
    return found


def pods(path: Path) -> dict[str, Any]:
    """What kfp-kubernetes wrote for each task, by `exec-NAME`."""
    _, platform = documents(path)
    found: dict[str, Any] = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return found


def artifact_types(path: Path) -> dict[tuple[str, str], str]:
    """Schema title of each output artifact, by (task, output)."""
    spec, _ = documents(path)
    return {
        (name.removeprefix("comp-"), output): artifact["artifactType"]["schemaTitle"]
        for name, component in spec["components"].items()
        if "executorLabel" in component
        for output, artifact in component.get("outputDefinitions", {}).get("artifacts", {}).items()
    }
