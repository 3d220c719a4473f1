"""A new family is one file and one line: a copy of the code with both trains it, measures it and generates with it."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_family_is_one_file_and_one_line(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for folder in ("platen", "components", "pipelines", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=ignored)
    shutil.copy(Path(__file__).with_name("toy_family.py"), copy / "platen" / "families" / "toy.py")
    registry = copy / "platen" / "families" / "registry.py"
    line = '    "stable_diffusion",\n'
    assert line in registry.read_text()
    registry.write_text(registry.read_text().replace(line, f'{line}    "toy",\n'))

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
    assert len(found["losses"]) == 4
    assert all(math.isfinite(loss) for losses in found["losses"] for loss in losses)
    assert found["size"] == [32, 32]
