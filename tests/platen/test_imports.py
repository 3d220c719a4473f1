"""What a light stage may import before it has anything to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMPONENTS = Path(__file__).parents[2] / "components"
LIGHT = ("ingest", "clean_text", "clean_images", "merge", "gate", "notify")
HEAVY = {"torch", "kfp", "numpy", "pyarrow", "cv2", "PIL", "httpx", "scipy", "pandas", "fastapi", "transformers"} | {
    "diffusers",
    "deepspeed",
    "simplejpeg",
    "google",
    "google_crc32c",
    "jinja2",
    "requests",
    "rich",
    "typer",
}

TORCH_SIDE = {
    "platen.families.batch",
    "platen.families.diffusers_models",
    "platen.families.generation",
}  # imported once a model is loaded


def modules_of(stage: str) -> list[str]:
    """Every module of a stage's folder but component.py, which needs kfp."""
    paths = sorted((COMPONENTS / stage).rglob("*.py"))
    names = [path.relative_to(COMPONENTS).with_suffix("").parts for path in paths if path.name != "component.py"]
    return [".".join(("platen", "components", *(part for part in parts if part != "__init__"))) for parts in names]


def heavy_after(imports: list[str]) -> set[str]:
    """Heavy packages that a bare interpreter holds after importing these."""
    code = f"import sys, json; {'; '.join(f'import {name}' for name in imports)}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY & {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("stage", LIGHT)
def test_light_stage_imports_nothing_heavy(stage: str) -> None:
    modules = modules_of(stage)
    assert f"platen.components.{stage}.settings" in modules
    assert heavy_after(modules) == set()


def test_foundation_imports_nothing_heavy() -> None:
    root = COMPONENTS.parent
    layers = ("core", "artifacts", "families", "jobs")
    paths = [path for layer in layers for path in (root / "platen" / layer).rglob("*.py") if path.stem != "__init__"]
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]
    assert {"platen.core.stage", "platen.artifacts.dataset", "platen.core.telemetry"} <= set(names)
    assert heavy_after([name for name in names if name not in TORCH_SIDE]) == set()


def test_settings_of_a_task_and_what_checks_them_import_nothing_heavy() -> None:
    """The train stage needs them before a GPU is taken."""
    assert heavy_after(["platen.tasks.diffusion.settings", "platen.tasks.diffusion.prediction_type"]) == set()


def test_heavy_import_would_be_noticed() -> None:
    assert "numpy" in heavy_after(["numpy"])
