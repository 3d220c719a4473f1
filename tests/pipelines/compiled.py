"""Reading compiled pipelines: the intermediate representation that Kubeflow Pipelines takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


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
