"""Reading compiled pipelines: the intermediate representation that Kubeflow Pipelines takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def executors(path: Path) -> dict[str, Any]:
    """Image, command, environment and resources of each task, by `exec-NAME`."""
    spec, _ = yaml.safe_load_all(path.read_text())
    found: dict[str, Any] = spec["deploymentSpec"]["executors"]
    return found


def pods(path: Path) -> dict[str, Any]:
    """What kfp-kubernetes wrote for each task, by `exec-NAME`."""
    _, platform = yaml.safe_load_all(path.read_text())
    found: dict[str, Any] = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return found
