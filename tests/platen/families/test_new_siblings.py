"""A family, a metric and a stage are a file or folder and a line each: a copy of the code with all three runs them."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOYS = Path(__file__).parent


def add_line(registry: Path, after: str, line: str) -> None:
    """Add a line to a registry, below another one."""
    text = registry.read_text()
    assert text.count(f'    "{after}",\n') == 1
    registry.write_text(text.replace(f'    "{after}",\n', f'    "{after}",\n    "{line}",\n'))


def copy_with_toys(copy: Path) -> None:
    """Copy the checkout, and add what a contributor of the three would."""
    for folder in ("platen", "components", "pipelines", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=ignored)
    shutil.copy(TOYS / "toy_family.py", copy / "platen/families/toy.py")
    add_line(copy / "platen/families/registry.py", "stable_diffusion", "toy")
    shutil.copy(TOYS / "toy_metric.py", copy / "components/evaluate/metrics/brightness.py")
    add_line(copy / "components/evaluate/metrics/registry.py", "kid", "brightness")
    shutil.copytree(TOYS / "toy_stage", copy / "components/toy", ignore=ignored)
    add_line(copy / "components/registry.py", "evaluate", "toy")


def test_a_new_sibling_is_one_file_and_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_with_toys(copy)
    done = subprocess.run(
        [sys.executable, "-m", "tests.platen.families.toy_chain", str(tmp_path / "workspace")],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["family"] == "toy"
    assert math.isfinite(found["held_out_loss"])
    brightness = found["brightness"]
    assert (brightness["title"], brightness["n"]) == ("Brightness", 3)
    assert brightness["low"] <= brightness["value"] <= brightness["high"]
    assert found["measured_with"]["channel"] == 2 and found["measured_with"]["prompts"]
    assert found["passed"] is True
    assert found["counted"] == {"numbers": 4}  # brightness, retrieval_accuracy, memorised.share and .baseline
    assert found["has_section"] and found["has_pod"]
    assert "toy" in found["commands"]
