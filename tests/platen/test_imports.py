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
    names = sorted(
        path.stem for path in (COMPONENTS.parent / "platen").glob("*.py") if path.stem not in ("cli", "__init__")
    )
    assert {"stage", "dataset", "telemetry"} <= set(names)
    assert heavy_after([f"platen.{name}" for name in names]) == set()


def test_heavy_import_would_be_noticed() -> None:
    assert "numpy" in heavy_after(["numpy"])
